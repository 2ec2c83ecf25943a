"""The slots strategy on CPU tensors, against eager PyTorch: the code that a GPU would run, without graphs."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay_engine.budgets import Budgets
from assay_engine.device import Device
from assay_engine.engine import Engine
from assay_engine.framing import Found, Item, Pixels
from assay_engine.protocols import Run
from assay_engine.runtime import TorchRuntime
from assay_engine.slots_runtime import SlabDetector, SlotsRuntime
from assay_shared.detector.weights import WeightsInvalid
from tests.support.folder_store import FolderStore
from tests.support.live_model import describe_model
from tests.support.lively import SIDE
from tests.support.slots import Brand, FailingDevice, assert_same, make_brands

BRANDS = 5
SIZES = (1, 2, 4)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pixels, list[Brand]]:
    return make_brands(tmp_path_factory.mktemp("brands"), BRANDS, TorchRuntime("cpu", whole=True))


@pytest.fixture(scope="module")
def runtime() -> SlotsRuntime:
    return SlotsRuntime("cpu", lanes=2, sizes=SIZES)


def load_all(runtime: SlotsRuntime, brands: Sequence[Brand]) -> list[SlabDetector]:
    return [runtime.load(brand.weights, brand.description) for brand in brands]


def test_brands_tell_themselves_apart(ground: tuple[Pixels, list[Brand]]) -> None:
    _, brands = ground
    for place in range(4):
        assert len({brand.wanted[place].confidences.tobytes() for brand in brands}) == BRANDS


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 16, 17, 40])
def test_every_batch_size_is_eagers(
    runtime: SlotsRuntime, ground: tuple[Pixels, list[Brand]], count: int
) -> None:
    pictures, brands = ground
    [detector] = load_all(runtime, brands[:1])
    chosen = [place % len(pictures) for place in range(count)]
    found = detector.detect(pictures[chosen])
    assert len(found) == count
    for place, one in zip(chosen, found, strict=True):
        assert_same(one, brands[0].wanted[place])


def test_memory_is_what_is_accounted_for(runtime: SlotsRuntime, ground: tuple[Pixels, list[Brand]]) -> None:
    _, brands = ground
    staged = runtime.stage(brands[0].weights, brands[0].description)
    detector = runtime.place(staged)
    assert detector.size_bytes == staged.size_bytes == detector.slab.numbers.untyped_storage().nbytes()
    assert detector.size_bytes <= 1.15 * len(brands[0].weights)


def test_weights_are_overwritten_where_they_lie(
    runtime: SlotsRuntime, ground: tuple[Pixels, list[Brand]]
) -> None:
    pictures, brands = ground
    detectors = load_all(runtime, brands)
    slots = list(detectors[0].program.slots.values())

    def list_addresses() -> list[int]:
        return [
            tensor.data_ptr()
            for slot in slots
            for tensor in (slot.weights, *slot._model.state_dict().values())
        ]

    before = list_addresses()
    for detector in detectors + detectors[::-1]:
        detector.detect(pictures[:1])
    assert list_addresses() == before


def test_a_slot_that_holds_the_brand_is_not_filled_again(ground: tuple[Pixels, list[Brand]]) -> None:
    pictures, brands = ground
    runtime = SlotsRuntime("cpu", lanes=1, sizes=(1,))
    detectors = load_all(runtime, brands[:2])
    [slot] = detectors[0].program.slots.values()
    detectors[0].detect(pictures[:1])
    slot.weights.zero_()  # behind its back: the next run shows whether it was filled
    [found] = detectors[0].detect(pictures[:1])
    assert len(found.confidences) != len(brands[0].wanted[0].confidences)
    detectors[1].detect(pictures[:1])
    [found] = detectors[0].detect(pictures[:1])
    assert_same(found, brands[0].wanted[0])


Asked = list[tuple[int, list[int]]]
"""Of one request: brands, and the pictures of each."""
runs = st.lists(
    st.tuples(st.integers(0, BRANDS - 1), st.lists(st.integers(0, 3), min_size=1, max_size=5)),
    min_size=1,
    max_size=7,
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(runs, min_size=1, max_size=4), st.booleans())
def test_any_interleaving_answers_for_the_brand_it_names(
    runtime: SlotsRuntime,
    ground: tuple[Pixels, list[Brand]],
    requests: list[Asked],
    at_once: bool,
) -> None:
    pictures, brands = ground
    detectors = load_all(runtime, brands)

    def ask(request: Asked) -> None:
        answers = runtime.detect_many(
            [Run(detectors[brand], [pictures[place] for place in places]) for brand, places in request]
        )
        for (brand, places), answer in zip(request, answers, strict=True):
            for place, found in zip(places, answer, strict=True):
                assert_same(found, brands[brand].wanted[place])

    with ThreadPoolExecutor(3 if at_once else 1) as pool:
        for one in [pool.submit(ask, request) for request in requests]:
            one.result(120)


def test_sides_and_labels_have_programs_of_their_own(
    runtime: SlotsRuntime, ground: tuple[Pixels, list[Brand]]
) -> None:
    pictures, brands = ground
    small = brands[1].description.model_copy(update={"image_size": 64})
    detectors = [
        runtime.load(brands[0].weights, brands[0].description),
        runtime.load(brands[1].weights, small),
        runtime.load(brands[2].weights, brands[2].description),
    ]
    assert len({detector.program for detector in detectors}) == 2
    middle = np.ascontiguousarray(pictures[0, :64, :64])
    [wanted] = TorchRuntime("cpu", whole=True).load(brands[1].weights, small).detect(middle[None])
    for _ in range(2):
        found = runtime.detect_many(
            [Run(detectors[0], [pictures[0]]), Run(detectors[1], [middle]), Run(detectors[2], [pictures[1]])]
        )
        assert_same(found[0][0], brands[0].wanted[0])
        assert_same(found[1][0], wanted)
        assert_same(found[2][0], brands[2].wanted[1])


def make_failing(monkeypatch: pytest.MonkeyPatch, device: FailingDevice) -> SlotsRuntime:
    def make() -> Device:
        return device

    monkeypatch.setattr("assay_engine.slots_runtime.CpuDevice", make)
    return SlotsRuntime("cpu", lanes=2, sizes=(1, 2))


def test_what_cannot_be_captured_runs_eagerly(
    ground: tuple[Pixels, list[Brand]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, brands = ground
    device = FailingDevice(RuntimeError("operation not permitted when stream is capturing"))
    detectors = load_all(make_failing(monkeypatch, device), brands[:2])
    assert device.captures == 1  # none is tried after a capture that was broken off
    for detector, brand in zip(detectors, brands, strict=False):
        for found, wanted in zip(detector.detect(pictures), brand.wanted, strict=True):
            assert_same(found, wanted)


def test_a_graph_that_gives_other_answers_is_not_used(
    ground: tuple[Pixels, list[Brand]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, brands = ground
    device = FailingDevice(replay="stale")
    [detector] = load_all(make_failing(monkeypatch, device), brands[:1])
    assert device.captures == 4
    for found, wanted in zip(detector.detect(pictures), brands[0].wanted, strict=True):
        assert_same(found, wanted)


def test_no_room_for_graphs_is_said_once_and_then_lived_with(
    ground: tuple[Pixels, list[Brand]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, brands = ground
    runtime = make_failing(monkeypatch, FailingDevice(torch.OutOfMemoryError("CUDA out of memory")))
    with pytest.raises(MemoryError):
        load_all(runtime, brands[:1])
    [detector] = load_all(runtime, brands[:1])
    assert_same(detector.detect(pictures[:1])[0], brands[0].wanted[0])


def test_a_run_that_fails_leaves_lanes_free_and_slots_right(
    ground: tuple[Pixels, list[Brand]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, brands = ground
    runtime = SlotsRuntime("cpu", lanes=2, sizes=(1,))
    detectors = load_all(runtime, brands[:3])
    runs = [Run(detector, [pictures[0]]) for detector in detectors]

    def fail(rows: torch.Tensor) -> list[Found]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr("assay_engine.slots_runtime.find_in_rows", fail)
        for _ in range(3):
            with pytest.raises(MemoryError):
                runtime.detect_many(runs)
    for answer, brand in zip(runtime.detect_many(runs), brands, strict=False):
        assert_same(answer[0], brand.wanted[0])


def test_weights_that_do_not_fit_are_refused(
    runtime: SlotsRuntime, ground: tuple[Pixels, list[Brand]]
) -> None:
    _, brands = ground
    with pytest.raises(WeightsInvalid):
        runtime.load(brands[0].weights[:-10], brands[0].description)
    fewer = brands[0].description.model_copy(update={"labels": brands[0].description.labels[:2]})
    with pytest.raises(WeightsInvalid):
        runtime.load(brands[0].weights, fewer)


def make_engine(
    runtime: SlotsRuntime, brands: Sequence[Brand], folder: Path, resident: float, host: float
) -> Engine:
    store = FolderStore()
    for brand in brands:
        store.publish(brand.description, brand.weights)
    size = len(brands[0].weights)
    return Engine(store, folder, runtime, Budgets(int(resident * size), int(host * size), 1 << 30))


def test_requests_of_several_brands_while_some_come_and_go(
    runtime: SlotsRuntime, ground: tuple[Pixels, list[Brand]], tmp_path: Path
) -> None:
    pictures, brands = ground
    engine = make_engine(runtime, brands, tmp_path, resident=2.5, host=3.5)
    stop = threading.Event()

    def disturb() -> None:
        chosen = random.Random(3)
        while not stop.wait(0.01):
            chosen.choice([lambda: engine.models.resident.shrink(0), engine.models.resident.reclaim])()

    def ask(seed: int) -> None:
        chosen = random.Random(seed)
        for _ in range(8):
            asked = [(chosen.randrange(BRANDS), chosen.randrange(4)) for _ in range(6)]
            items = [Item(f"brand-{brand}", "v1", pictures[place]) for brand, place in asked]
            for (brand, place), found in zip(asked, engine.detect(items), strict=True):
                assert isinstance(found, Found)
                assert_same(found, brands[brand].wanted[place])

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        with ThreadPoolExecutor(3) as pool:
            for one in [pool.submit(ask, seed) for seed in range(3)]:
                one.result(200)
    finally:
        stop.set()
        disturbing.join()
        engine.close()


def test_one_bad_item_harms_no_other_brand(
    runtime: SlotsRuntime, ground: tuple[Pixels, list[Brand]], tmp_path: Path
) -> None:
    pictures, brands = ground
    engine = make_engine(runtime, brands, tmp_path, resident=9, host=9)
    torn = b"no weights"
    engine.models.cache._store.publish(describe_model("torn", "v1", torn, SIDE), torn)  # type: ignore[attr-defined]
    items = [
        Item("brand-0", "v1", pictures[0]),
        Item("torn", "v1", pictures[0]),
        Item("brand-1", "v1", pictures[0, :64, :64]),
        Item("brand-1", "v1", pictures[1]),
        Item("nobody", "v1", pictures[0]),
        Item("brand-2", "v1", np.zeros((0, 0, 3), np.uint8)),
    ]
    for _ in range(2):
        results = engine.detect(items)
        kinds = [type(result).__name__ for result in results]
        assert kinds == ["Found", "WeightsInvalid", "InvalidRequest", "Found", "ModelUnavailable", "Found"]
        assert isinstance(results[0], Found)
        assert isinstance(results[3], Found)
        assert_same(results[0], brands[0].wanted[0])
        assert_same(results[3], brands[1].wanted[1])
    engine.close()


def test_brands_run_one_by_one_where_all_at_once_fails(
    ground: tuple[Pixels, list[Brand]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, brands = ground
    runtime = SlotsRuntime("cpu", lanes=2, sizes=(1,))
    whole = runtime.detect_many

    def fail_for_several(runs: Sequence[Run]) -> list[list[Found]]:
        if len(runs) > 1:
            raise MemoryError("no room for several")
        return whole(runs)

    monkeypatch.setattr(runtime, "detect_many", fail_for_several)
    engine = make_engine(runtime, brands, tmp_path, resident=9, host=9)
    items = [Item(f"brand-{place}", "v1", pictures[0]) for place in range(3)]
    for _ in range(2):
        for place, found in enumerate(engine.detect(items)):
            assert isinstance(found, Found)
            assert_same(found, brands[place].wanted[0])
    engine.close()
    assert all(engine.models.resident.size_of((f"brand-{place}", "v1")) for place in range(3))
