"""Which runtime a worker takes, with candidates that are wrong, slow or broken."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from assay_engine.framing import Found, Pixels
from assay_engine.probe import Probe, make_probe
from assay_engine.protocols import BrandDetector, ManyRuntime, Runtime
from assay_engine.runtime import TorchRuntime
from assay_engine.selfcheck import (
    CLOSE,
    EAGER,
    EXACT,
    Candidate,
    Choice,
    agree,
    choose_runtime,
    list_candidates,
    try_candidates,
)
from assay_engine.settings import EngineSettings
from assay_shared.model_description import ModelDescription

SLOW, FAST = 0.05, 0.0


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    return make_probe(tmp_path_factory.mktemp("probe"))


@pytest.fixture(scope="module")
def wanted(probe: Probe) -> list[Found]:
    return TorchRuntime("cpu").load(probe.weights, probe.description).detect(probe.pictures)


class Fixed:
    """Gives answers that are known, after seconds of computing and of waiting; a runtime and its detector at
    once."""

    has_device = False

    image_size, size_bytes = 640, 0

    def __init__(self, answers: list[Found], seconds: float, fails: str = "", waits: float = 0.0) -> None:
        self._answers, self._seconds, self._fails, self._waits = answers, seconds, fails, waits

    def load(self, weights: Path | bytes, description: ModelDescription) -> BrandDetector:
        self._fail("load")
        return self

    def check(self) -> None:
        self._fail("check")

    def detect(self, batch: Pixels) -> list[Found]:
        self._fail("detect")
        if len(batch) == 1:
            self._fail("later")
        time.sleep(self._waits)
        started = time.process_time()
        while time.process_time() < started + self._seconds:
            pass
        return self._answers[: len(batch)]

    def _fail(self, where: str) -> None:
        if where == self._fails:
            raise RuntimeError(f"{where} fails")


def choose(wanted: list[Found], probe: Probe, *candidates: Runtime, must_be_faster: bool = True) -> Choice:
    named = [
        Candidate(f"candidate {place}", lambda one=one: one, EXACT)  # type: ignore[misc]
        for place, one in enumerate(candidates)
    ]
    return try_candidates(Fixed(wanted, SLOW), named, probe, must_be_faster=must_be_faster)


def moved(wanted: list[Found], pixels: float = 0.0, confidence: float = 0.0) -> list[Found]:
    return [
        dataclasses.replace(
            found,
            boxes=found.boxes + np.float32(pixels),
            confidences=found.confidences + np.float32(confidence),
        )
        for found in wanted
    ]


def test_the_fastest_that_agrees(wanted: list[Found], probe: Probe) -> None:
    choice = choose(wanted, probe, Fixed(wanted, SLOW / 2), Fixed(moved(wanted, 0.05), FAST))
    assert choice.name == "candidate 1"
    assert [trial.name for trial in choice.trials] == [EAGER, "candidate 0", "candidate 1"]
    assert choice.trials[2].agreement == 1.0
    assert all(trial.milliseconds is not None and trial.problem is None for trial in choice.trials)


def test_eager_where_candidates_are_slow(wanted: list[Found], probe: Probe) -> None:
    assert choose(wanted, probe, Fixed(wanted, SLOW * 3)).name == EAGER
    assert choose(wanted, probe, Fixed(wanted, SLOW * 3), must_be_faster=False).name == "candidate 0"


def test_what_other_work_takes_misleads_nobody(wanted: list[Found], probe: Probe) -> None:
    assert choose(wanted, probe, Fixed(wanted, FAST, waits=SLOW * 3)).name == "candidate 0"


@pytest.mark.parametrize(("pixels", "confidence"), [(0.5, 0.0), (0.0, 0.01)])
def test_eager_where_a_candidate_is_wrong(
    wanted: list[Found], probe: Probe, pixels: float, confidence: float
) -> None:
    for must_be_faster in (True, False):
        wrong = Fixed(moved(wanted, pixels, confidence), FAST)
        choice = choose(wanted, probe, wrong, must_be_faster=must_be_faster)
        assert choice.name == EAGER
        assert choice.trials[1].problem == "other detections than eager's"


def test_eager_where_a_candidate_finds_nothing_or_too_much(wanted: list[Found], probe: Probe) -> None:
    nothing = [Found(found.boxes[:0], found.confidences[:0], found.labels[:0]) for found in wanted]
    more = [
        Found(
            np.concatenate([found.boxes, [[0, 0, 9, 9]]]).astype(np.float32),
            np.append(found.confidences, np.float32(0.9)),
            np.append(found.labels, 0),
        )
        for found in wanted
    ]
    for answers in (nothing, more, wanted[:1]):
        assert choose(wanted, probe, Fixed(answers, FAST)).name == EAGER


@pytest.mark.parametrize("where", ["load", "check", "detect", "later"])
def test_eager_where_a_candidate_raises(wanted: list[Found], probe: Probe, where: str) -> None:
    choice = choose(wanted, probe, Fixed(wanted, FAST, fails=where))
    assert choice.name == EAGER
    assert choice.trials[1].problem == f"RuntimeError: {where} fails"


def test_a_reference_that_finds_nothing_proves_nothing(wanted: list[Found], probe: Probe) -> None:
    nothing = [Found(found.boxes[:0], found.confidences[:0], found.labels[:0]) for found in wanted]
    with pytest.raises(ValueError, match="too little"):
        try_candidates(Fixed(nothing, FAST), [Candidate("one", lambda: Fixed(nothing, FAST), CLOSE)], probe)


def test_agreement_counts_both_ways(wanted: list[Found]) -> None:
    assert agree(wanted, wanted, EXACT) == 1.0
    half = [Found(found.boxes[::2], found.confidences[::2], found.labels[::2]) for found in wanted]
    assert 0.5 < agree(wanted, half, EXACT) < 1.0
    assert agree([], [], EXACT) == 0.0


def make_settings(folder: Path, **settings: object) -> EngineSettings:
    return EngineSettings.model_validate({"data_dir": folder, "engine_device": "cpu", **settings})


def test_settings_are_honoured(tmp_path: Path) -> None:
    torch_only = choose_runtime(make_settings(tmp_path, engine_runtime="torch"))
    assert (torch_only.name, torch_only.trials) == (EAGER, ())
    assert isinstance(torch_only.runtime, TorchRuntime)
    openvino = choose_runtime(make_settings(tmp_path, engine_runtime="openvino", engine_precision="f32"))
    assert openvino.name == "openvino f32"
    assert openvino.trials[1].agreement == 1.0
    names = [
        [candidate.name for candidate in list_candidates(make_settings(tmp_path, engine_precision=precision))]
        for precision in ("auto", "f32", "bf16")
    ]
    assert names == [["openvino f32"], ["openvino f32"], ["openvino bf16"]]


def test_streams_pass_the_same_check(tmp_path: Path) -> None:
    choice = choose_runtime(make_settings(tmp_path, engine_runtime="openvino", engine_streams=3))
    assert choice.name == "openvino f32, 3 streams"
    assert isinstance(choice.runtime, ManyRuntime)
    assert choice.trials[1].agreement == 1.0


def test_eager_without_openvino(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    for name in [name for name in sys.modules if name.startswith("assay_engine.openvino")]:
        monkeypatch.delitem(sys.modules, name)
    choice = choose_runtime(make_settings(tmp_path, engine_runtime="openvino"))
    assert choice.name == EAGER
    assert "openvino" in (choice.trials[1].problem or "")


def test_eager_where_the_check_itself_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path) -> Probe:
        raise OSError("no space left")

    monkeypatch.setattr("assay_engine.selfcheck.make_probe", fail)
    choice = choose_runtime(make_settings(tmp_path))
    assert choice.name == EAGER
    assert choice.trials[0].problem == "OSError: no space left"
