"""Streams against the eager detector: pictures of many brands side by side, and what fails among them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from assay_engine.budgets import Budgets
from assay_engine.engine import Engine
from assay_engine.framing import NOTHING, Found, Item, Pixels
from assay_engine.openvino_runtime import OpenVinoDetector
from assay_engine.openvino_streams import StreamsRuntime
from assay_engine.protocols import Run
from assay_engine.runtime import TorchRuntime
from assay_engine.selfcheck import Tolerance, agree
from assay_shared.detector.weights import WeightsInvalid
from assay_shared.errors import InvalidRequest
from tests.support.folder_store import FolderStore
from tests.support.live_model import describe_model
from tests.support.lively import SIDE, draw, lively_weights

BRANDS = ("acme", "bolt", "cord")
PICTURES = draw([(96, 128), (128, 128), (128, 96), (96, 128), (64, 128)])
SAME = Tolerance(pixels=0.05, confidence=0.0005, share=1.0)


class Brands:
    """Three brands on streams, in a store, and what eager PyTorch finds for each in PICTURES."""

    def __init__(self, folder: Path) -> None:
        self.runtime = StreamsRuntime("f32", 1, 2)
        self.store = FolderStore()
        self.detectors: dict[str, OpenVinoDetector] = {}
        self.expected: dict[str, list[Found]] = {}
        for seed, brand in enumerate(BRANDS):
            path = lively_weights(folder / brand, seed)
            description = describe_model(brand, "v1", path.read_bytes(), SIDE)
            self.store.publish(description, path.read_bytes())
            self.detectors[brand] = self.runtime.load(path, description)
            self.expected[brand] = TorchRuntime("cpu").load(path, description).detect(PICTURES)

    def assert_right(self, brand: str, places: list[int], found: list[Found]) -> None:
        expected = [self.expected[brand][place] for place in places]
        assert sum(len(one.confidences) for one in expected) > 0, "a comparison of nothing"
        assert agree(expected, found, SAME) == 1.0


@pytest.fixture(scope="module")
def brands(tmp_path_factory: pytest.TempPathFactory) -> Brands:
    return Brands(tmp_path_factory.mktemp("brands"))


@pytest.mark.parametrize("places", [[0], [0, 1], [4, 3, 2, 1, 0]])
def test_one_brand(places: list[int], brands: Brands) -> None:
    brands.assert_right("acme", places, brands.detectors["acme"].detect(PICTURES[places]))


def test_several_brands_with_as_many_pictures_as_they_like(brands: Brands) -> None:
    wanted = {"acme": [0, 4], "bolt": [2], "cord": [1, 3, 0]}
    runs = [Run(brands.detectors[brand], list(PICTURES[places])) for brand, places in wanted.items()]
    for (brand, places), found in zip(wanted.items(), brands.runtime.detect_many(runs), strict=True):
        brands.assert_right(brand, places, found)
    assert brands.runtime.detect_many([]) == []


def test_many_threads_ask_at_once(brands: Brands) -> None:
    together = threading.Barrier(4)

    def ask(thread: int) -> None:
        together.wait()
        for turn in range(6):
            wanted = [(BRANDS[(thread + turn + step) % 3], (thread * turn + step) % 5) for step in range(3)]
            runs = [Run(brands.detectors[brand], [PICTURES[place]]) for brand, place in wanted]
            for (brand, place), found in zip(wanted, brands.runtime.detect_many(runs), strict=True):
                brands.assert_right(brand, [place], found)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(ask, thread) for thread in range(4)]:
            done.result(60)


class Spoilt(OpenVinoDetector):
    """Fails at once, or is the slow neighbour of one that does."""

    def __init__(self, failure: Exception | None, begun: threading.Event) -> None:
        self._failure, self._begun = failure, begun
        self.ended = False

    def compute(self, batch: Pixels, *, abreast: bool = False) -> list[Found]:
        if self._failure is not None:
            assert self._begun.wait(10)
            raise self._failure
        self._begun.set()
        threading.Event().wait(0.2)
        self.ended = True
        return [NOTHING] * len(batch)


def test_a_failure_is_told_when_no_stream_computes_any_more(brands: Brands) -> None:
    begun = threading.Event()
    failing, slow = Spoilt(MemoryError("no room"), begun), Spoilt(None, begun)
    with pytest.raises(MemoryError, match="no room"):
        brands.runtime.detect_many([Run(failing, list(PICTURES[:1])), Run(slow, list(PICTURES[:1]))])
    assert slow.ended
    # The streams are free for the next.
    brands.assert_right("bolt", [1, 2], brands.detectors["bolt"].detect(PICTURES[[1, 2]]))


def test_detectors_of_other_runtimes_are_refused(brands: Brands, tmp_path: Path) -> None:
    weights = lively_weights(tmp_path / "weights", 1)
    other = TorchRuntime("cpu").load(weights, describe_model("acme", "v1", weights.read_bytes(), SIDE))
    with pytest.raises(TypeError, match="another runtime"):
        brands.runtime.detect_many([Run(other, list(PICTURES[:1]))])


def test_items_fail_on_their_own_in_the_engine(brands: Brands, tmp_path: Path) -> None:
    torn = brands.store.objects["acme/v1/model.safetensors"][:-8]
    brands.store.publish(describe_model("torn", "v1", torn, SIDE), torn)
    engine = Engine(brands.store, tmp_path, brands.runtime, Budgets(1 << 30, 0, 1 << 30))
    for _ in range(2):  # loaded first, then at hand
        small = np.zeros((SIDE // 2, SIDE // 2, 3), np.uint8)
        first, spoilt, wrong, second, third, hint = engine.detect(
            [
                Item("acme", "v1", PICTURES[0]),
                Item("torn", "v1", PICTURES[0]),
                Item("bolt", "v1", small),
                Item("bolt", "v1", PICTURES[2]),
                Item("cord", "v1", PICTURES[4]),
                Item("cord", "v1", np.zeros((0, 0, 3), np.uint8)),
            ]
        )
        assert isinstance(spoilt, WeightsInvalid)
        assert isinstance(wrong, InvalidRequest)
        assert hint is NOTHING
        for brand, place, found in (("acme", 0, first), ("bolt", 2, second), ("cord", 4, third)):
            assert isinstance(found, Found)
            brands.assert_right(brand, [place], [found])
    engine.close()


def test_a_brand_that_does_not_compute_is_no_others_fault(brands: Brands, tmp_path: Path) -> None:
    engine = Engine(brands.store, tmp_path, brands.runtime, Budgets(1 << 30, 0, 1 << 30))
    items = [Item(brand, "v1", PICTURES[0]) for brand in BRANDS]
    assert all(isinstance(found, Found) for found in engine.detect(items))
    begun = threading.Event()
    begun.set()
    with engine.models.resident.borrow(("bolt", "v1")) as detector:
        detector.compute = Spoilt(RuntimeError("does not compute"), begun).compute  # type: ignore[attr-defined]
    first, failed, third = engine.detect(items)
    assert not isinstance(failed, Found)
    for brand, found in (("acme", first), ("cord", third)):
        assert isinstance(found, Found)
        brands.assert_right(brand, [0], [found])
    engine.close()
