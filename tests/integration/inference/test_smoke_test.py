"""The smoke test, run as operators run it: beside the service, in its environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay_shared.keys import LIVE
from tests.integration.inference.conftest import Inference
from tests.support.live_model import publish_brand, publish_model
from tests.support.serving import run_store

NOBODY = "http://127.0.0.1:1"


def run(inference: Inference, **changed: str) -> tuple[int, list[str], list[str]]:
    """The exit status, and the lines on standard output and standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "assay_inference.smoke_test"],
        env={**inference.programs["inference"].environment, **changed},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


def files(folder: Path) -> set[tuple[str, int]]:
    return {(str(path), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def broken(inference: Inference) -> Iterator[str]:
    """A brand whose weights are not what its model.json says."""
    publish_brand(inference.store, "broken")
    publish_model(inference.store, "broken", "mdl_1", inference.weights)
    inference.store.put(LIVE, "broken/mdl_1/model.safetensors", b"rotten")
    yield "broken"
    inference.store.delete_prefix(LIVE, "broken/")


def test_every_live_model_answers(inference: Inference) -> None:
    kept = inference.folder / "inference" / "live"
    before = files(kept)
    status, lines, errors = run(inference)
    assert (status, errors) == (0, [])
    live = [name for name in ("acme", "open") if any(line.startswith(f"brand {name}: ") for line in lines)]
    assert live == ["acme", "open"]
    assert not any("bolt" in line for line in lines)
    assert "smoke test passed" in lines[-1]
    assert files(kept) == before


def test_a_model_that_cannot_be_loaded_is_named(inference: Inference, broken: str) -> None:
    status, lines, errors = run(inference)
    assert status == 1
    assert len(errors) == 1
    assert f"brand {broken}, model version mdl_1, {inference.engine}: " in errors[0]
    assert any(line.startswith("brand acme: ") for line in lines)


def test_a_description_that_cannot_be_read_is_named(inference: Inference, broken: str) -> None:
    inference.store.delete(LIVE, f"{broken}/mdl_1/model.json")
    status, _, errors = run(inference)
    assert status == 1
    assert [line for line in errors if f"brand {broken}: " in line]


def test_every_engine_must_answer(inference: Inference) -> None:
    status, _, errors = run(inference, ASSAY_ENGINE_URLS=f"{inference.engine},{NOBODY}")
    assert status == 1
    assert all(NOBODY in line and line.startswith("failed: brand ") for line in errors)


def test_a_store_that_is_away(inference: Inference) -> None:
    status, _, errors = run(inference, S3_ENDPOINT=NOBODY)
    assert status == 1
    assert len(errors) == 1
    assert "bucket `live` cannot be read" in errors[0]


def test_without_a_live_brand_an_empty_prediction_does(inference: Inference, tmp_path: Path) -> None:
    with run_store(tmp_path) as empty:
        there = {name: empty.environment[name] for name in ("S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY")}
        status, lines, errors = run(inference, **there)
        assert (status, errors, len(lines)) == (0, [], 1)
        assert "no brand has a live model" in lines[0]
        status, _, errors = run(inference, **there, ASSAY_ENGINE_URLS=NOBODY)
        assert status == 1
        assert NOBODY in errors[0]
