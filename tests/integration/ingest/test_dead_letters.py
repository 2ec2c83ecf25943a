"""Tasks that failed for good are kept, listed and sent again."""

from __future__ import annotations

import json

import pytest
import redis

from assay_ingest.dead_letters import main
from assay_shared.queue import INGEST, INGEST_OBJECT, DeadLetter, TaskQueue


def test_dead_letters_are_listed_and_sent_again(
    valkey: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSAY_BROKER_URL", valkey)
    queue = TaskQueue(valkey)
    for number in range(3):
        queue.bury(DeadLetter.of(INGEST_OBJECT, {"key": f"a/b/{number}.jpg"}, ValueError("odd")))
    assert main([]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [letter["argument"]["key"] for letter in listed] == ["a/b/0.jpg", "a/b/1.jpg", "a/b/2.jpg"]
    assert {letter["error"] for letter in listed} == {"ValueError: odd"}
    assert main(["--send-again"]) == 0
    assert queue.dead_letters() == []
    with redis.Redis.from_url(valkey) as broker:
        assert broker.llen(INGEST) == 3
        for name in ("events", "train"):
            assert broker.llen(name) == 0


def test_a_broker_that_is_away(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ASSAY_BROKER_URL", "redis://127.0.0.1:1/0")
    assert main([]) == 1
    assert "does not" in capsys.readouterr().err
