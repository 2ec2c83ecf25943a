"""The slots strategy on a GPU: captures, parallel streams, memory that ends, eager equality. Skipped only
where PyTorch sees no GPU."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from assay_engine.budgets import Budgets
from assay_engine.device import CudaDevice
from assay_engine.engine import Engine
from assay_engine.framing import Found, Item, Pixels
from assay_engine.gpu_trial import GRAPHS, HALF, choose_on_gpu
from assay_engine.protocols import Run
from assay_engine.runtime import TorchRuntime
from assay_engine.selfcheck import EAGER, agree
from assay_engine.slots_runtime import SlotsRuntime
from assay_engine.suppression import find_in_rows
from assay_shared.detector.postprocess import find_detections
from tests.support.folder_store import FolderStore
from tests.support.slots import Brand, draw_raw, make_brands, to_rows

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no GPU"),
]
BRANDS = 12


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pixels, list[Brand]]:
    return make_brands(tmp_path_factory.mktemp("brands"), BRANDS, TorchRuntime("cuda"))


@pytest.fixture(scope="module")
def runtime() -> SlotsRuntime:
    return SlotsRuntime("cuda:0")


def assert_agrees(found: list[Found], wanted: list[Found]) -> None:
    assert agree(wanted, found, HALF) >= HALF.share


def test_all_sizes_are_captured_in_every_lane(
    runtime: SlotsRuntime, ground: tuple[Pixels, list[Brand]]
) -> None:
    pictures, brands = ground
    detector = runtime.load(brands[0].weights, brands[0].description)
    for slot in detector.program.slots.values():
        assert sorted(slot._graphs) == [1, 2, 4, 8, 16]
    for count in range(1, 18):
        chosen = [place % len(pictures) for place in range(count)]
        assert_agrees(detector.detect(pictures[chosen]), [brands[0].wanted[place] for place in chosen])


def test_brands_on_parallel_streams_answer_for_themselves(
    runtime: SlotsRuntime, ground: tuple[Pixels, list[Brand]]
) -> None:
    pictures, brands = ground
    detectors = [runtime.load(brand.weights, brand.description) for brand in brands]
    places = list(range(BRANDS))

    def ask(turn: int) -> None:
        for order in (places, places[::-1], places[turn:] + places[:turn]):
            answers = runtime.detect_many([Run(detectors[place], list(pictures)) for place in order])
            for place, found in zip(order, answers, strict=True):
                assert_agrees(found, brands[place].wanted)

    with ThreadPoolExecutor(3) as pool:
        for one in [pool.submit(ask, turn) for turn in range(6)]:
            one.result(200)


def test_loads_during_requests(
    runtime: SlotsRuntime, ground: tuple[Pixels, list[Brand]], tmp_path: Path
) -> None:
    pictures, brands = ground
    store = FolderStore()
    for brand in brands:
        store.publish(brand.description, brand.weights)
    size = len(brands[0].weights)
    engine = Engine(store, tmp_path, runtime, Budgets(6 * size, 6 * size, 1 << 30))
    for turn in range(6):
        asked = [(turn + place) % BRANDS for place in range(8)]
        items = [Item(f"brand-{place}", "v1", picture) for place in asked for picture in pictures]
        results = engine.detect(items)
        for order, place in enumerate(asked):
            found = results[order * len(pictures) : (order + 1) * len(pictures)]
            assert_agrees([one for one in found if isinstance(one, Found)], brands[place].wanted)
    engine.close()


def test_memory_that_ends_is_a_memory_error_and_goes_by(
    runtime: SlotsRuntime, ground: tuple[Pixels, list[Brand]]
) -> None:
    pictures, brands = ground
    staged = runtime.stage(brands[0].weights, brands[0].description)
    detector = runtime.place(staged)
    hoard: list[torch.Tensor] = []
    for size in (1 << 28, 1 << 24, 1 << 20, 1 << 16):
        try:
            while True:
                hoard.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
        except torch.OutOfMemoryError:
            continue
    held = []
    with pytest.raises(MemoryError):  # noqa: PT012  # the cache of PyTorch may have room for some
        while True:
            held.append(runtime.place(staged))
    hoard.clear()
    held.clear()
    torch.cuda.empty_cache()
    assert_agrees(detector.detect(pictures), brands[0].wanted)


def test_what_cannot_be_captured_raises_and_computing_goes_on() -> None:
    device = CudaDevice("cuda:0")
    memory = device.make_graph_memory()
    number = torch.ones(1, device="cuda")
    with pytest.raises(RuntimeError):
        device.capture(lambda: number.item(), memory)  # type: ignore[arg-type]
    assert float((number + 1).item()) == 2.0


def test_suppression_is_that_of_one_picture() -> None:
    raw = draw_raw(np.random.default_rng(5), 8, 4, 2000, 0.2).cuda()
    for one, other in zip(find_in_rows(to_rows(raw)), find_detections(raw), strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_the_self_check_ends_with_a_runtime_that_computes() -> None:
    choice = choose_on_gpu(TorchRuntime("cuda"))
    assert choice.name in (EAGER, GRAPHS)
    assert choice.free_device_bytes
    choice.runtime.check()
