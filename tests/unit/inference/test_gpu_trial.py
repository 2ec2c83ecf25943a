"""The self-check of a device, on CPU tensors: the same code, in the child and in the worker."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from assay_engine.framing import Found
from assay_engine.gpu_trial import GRAPHS, Scale, choose_on_gpu, compare, crop, run_trial
from assay_engine.probe import Probe, make_probe
from assay_engine.protocols import Run
from assay_engine.runtime import TorchRuntime
from assay_engine.selfcheck import EAGER, Trial, _figures
from assay_engine.slots import WeightSlot
from assay_engine.slots_runtime import SlotsRuntime

SMALL = Scale(lanes=1, sizes=(1,), brands=2, side=64)


@pytest.fixture(scope="module")
def eager() -> TorchRuntime:
    return TorchRuntime("cpu", whole=True)


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    return crop(make_probe(tmp_path_factory.mktemp("probe")), SMALL.side)


def test_slots_pass_in_a_child_and_then_here(
    eager: TorchRuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("assay_engine.gpu_trial.CHILD_SECONDS", 250.0)  # the machine may be busy
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    choice = choose_on_gpu(eager, SMALL, must_be_faster=False)
    assert not list(tmp_path.iterdir())  # the child's figures are nobody's
    assert choice.name == GRAPHS
    assert isinstance(choice.runtime, SlotsRuntime)
    reference, graphs = choice.trials
    assert (reference.name, graphs.name) == (EAGER, GRAPHS)
    assert graphs.agreement == 1.0
    assert graphs.problem is None
    for trial in choice.trials:
        assert trial.milliseconds is not None
        assert trial.together_milliseconds is not None
    assert "ms among other brands" in _figures(choice.trials)[1]


def test_eager_where_the_child_dies_or_hangs(eager: TorchRuntime) -> None:
    # There is no such device: the child ends with an error, as with one that a kernel has broken.
    for device, seconds, problem in (("cuda:63", 120.0, "trial ended with"), ("cpu", 0.1, "more than 0 s")):
        trials = run_trial(device, SMALL, seconds=seconds)
        assert trials[0] == Trial(EAGER)
        assert problem in (trials[1].problem or "")


def test_eager_where_the_trial_failed(eager: TorchRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> tuple[Trial, Trial]:
        return Trial(EAGER), Trial(GRAPHS, problem="broken")

    monkeypatch.setattr("assay_engine.gpu_trial.run_trial", fail)
    choice = choose_on_gpu(eager, SMALL)
    assert (choice.name, choice.runtime) == (EAGER, eager)


def test_eager_where_the_worker_cannot_build_what_passed(
    eager: TorchRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(runtime: SlotsRuntime) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr("assay_engine.gpu_trial.run_trial", lambda *_, **__: (Trial(EAGER), Trial(GRAPHS)))
    monkeypatch.setattr(SlotsRuntime, "check", fail)
    choice = choose_on_gpu(eager, SMALL)
    assert (choice.name, choice.runtime) == (EAGER, eager)
    assert "illegal memory access" in (choice.trials[1].problem or "")


def test_stale_weights_are_noticed(
    eager: TorchRuntime, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hold_only_the_first(slot: WeightSlot, slab: object) -> None:
        if slot.serial is None:
            hold(slot, slab)  # type: ignore[arg-type]

    hold = WeightSlot.hold
    monkeypatch.setattr(WeightSlot, "hold", hold_only_the_first)
    runtime = SlotsRuntime("cpu", SMALL.lanes, SMALL.sizes)
    _, graphs = compare(eager, runtime, probe, SMALL, must_be_faster=False)
    assert graphs.problem == "other detections than eager's"


def test_brands_that_get_one_anothers_answers_are_noticed(
    eager: TorchRuntime, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = SlotsRuntime("cpu", SMALL.lanes, SMALL.sizes)
    together = runtime.detect_many

    def mix_up(runs: Sequence[Run]) -> list[list[Found]]:
        return together(runs)[::-1]

    monkeypatch.setattr(runtime, "detect_many", mix_up)
    _, graphs = compare(eager, runtime, probe, SMALL, must_be_faster=False)
    assert graphs.problem == "other detections than eager's"


def test_slower_is_not_taken(eager: TorchRuntime, probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = SlotsRuntime("cpu", SMALL.lanes, SMALL.sizes)
    together = runtime.detect_many

    def take_twice_as_long(runs: Sequence[Run]) -> list[list[Found]]:
        for _ in range(8 if len(runs) > 1 else 0):
            together(runs)
        return together(runs)

    monkeypatch.setattr(runtime, "detect_many", take_twice_as_long)
    _, graphs = compare(eager, runtime, probe, SMALL)
    assert graphs.problem == "not faster than eager"
    assert graphs.agreement == 1.0


def test_brands_that_cannot_be_told_apart_prove_nothing(
    eager: TorchRuntime, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay_engine.gpu_trial.SPREAD", 0.0)
    runtime = SlotsRuntime("cpu", SMALL.lanes, SMALL.sizes)
    with pytest.raises(ValueError, match="too alike"):
        compare(eager, runtime, probe, dataclasses.replace(SMALL, brands=2))


def test_the_probe_is_cropped_to_its_middle(tmp_path: Path) -> None:
    whole = make_probe(tmp_path)
    small = crop(whole, 128)
    assert small.pictures.shape == (2, 128, 128, 3)
    assert small.description.image_size == 128
    assert (small.pictures[0] == whole.pictures[0, 256:384, 256:384]).all()
