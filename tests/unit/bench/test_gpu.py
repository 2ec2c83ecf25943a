"""The bench of the GPU, whole, on CPU tensors and small numbers."""

from __future__ import annotations

import re

import pytest
import torch

from bench import gpu

FIGURES = (
    "self-check: torch",
    "self-check: graphs",
    "self-check: chosen",
    "for a further brand",
    "1 pictures a request",
    "16 pictures a request",
    "brands in one request",
    "from the host's memory",
    "warm brands while",
)


@pytest.fixture(autouse=True)
def keep_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command sets up the logs of its process, which is here that of all tests."""
    monkeypatch.setattr("bench.gpu.logs.configure_logs", lambda *_: None)


def test_every_row_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--cpu"]) in (0, 1)  # targets are a GPU's
    printed = capsys.readouterr().out
    assert "these figures say nothing" in printed
    assert re.search(r"\d\d \w+ 20\d\d, ", printed)
    rows = [line for line in printed.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(FIGURES)
    for figure, row in zip(FIGURES, rows, strict=True):
        assert figure in row
        assert "self-check" in figure or re.search(r"(reached|missed) \|$", row)
    assert "100.0% as eager" in rows[1]


def test_status_2_without_a_gpu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    assert "No GPU" in capsys.readouterr().out


def test_other_arguments_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--fast"]) == 2
    assert "usage" in capsys.readouterr().err
