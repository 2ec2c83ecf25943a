from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from assay_engine.budgets import Budgets
from assay_engine.engine import Engine
from assay_engine.errors import EngineFull, ModelLoading, ModelUnavailable
from assay_engine.framing import NOTHING, Found, Item, Pixels
from assay_engine.runtime import TorchRuntime
from assay_shared.detector.detector import Detector
from assay_shared.detector.preprocess import find_window, letterbox
from assay_shared.errors import InvalidRequest
from assay_shared.model_description import ModelDescription
from tests.support import telling
from tests.support.folder_store import FolderStore
from tests.support.live_model import LABELS, describe_model, random_weights
from tests.support.telling import TellingRuntime, telling_number, telling_weights

SIZE = 64


def publish(store: FolderStore, brand: str, version: str, weights: bytes) -> None:
    store.publish(describe_model(brand, version, weights, SIZE), weights)


@pytest.fixture(scope="module")
def weights() -> bytes:
    return random_weights()


@pytest.fixture
def store(weights: bytes) -> FolderStore:
    store = FolderStore()
    publish(store, "acme", "v1", weights)
    publish(store, "bolt", "v1", weights)
    return store


def make_engine(store: FolderStore, folder: Path, memory: int = 1 << 30) -> Engine:
    return Engine(store, folder, TorchRuntime("cpu"), Budgets(memory, 0, 1 << 30))


def item(brand: str, version: str = "v1", side: int = SIZE, seed: int = 0) -> Item:
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    return Item(brand, version, pixels)


def test_answers_are_the_reference_detectors_in_order(
    store: FolderStore, weights: bytes, tmp_path: Path
) -> None:
    engine = make_engine(store, tmp_path)
    items = [item("acme", seed=1), item("bolt", seed=2), item("acme", seed=3)]
    path = tmp_path / "reference.safetensors"
    path.write_bytes(weights)
    reference = Detector("yolov5nu", len(LABELS), path)
    for one, found in zip(items, engine.detect(items), strict=True):
        assert isinstance(found, Found)
        [expected] = reference.detect(one.pixels[None])
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)
        np.testing.assert_allclose(found.confidences, expected.confidences, atol=1e-5)
    assert engine.models.resident.size > 2 * len(weights)


def test_one_bad_item_harms_no_other(store: FolderStore, tmp_path: Path) -> None:
    engine = make_engine(store, tmp_path)
    publish(store, "torn", "v1", b"not weights at all")
    results = engine.detect(
        [item("acme"), item("nobody"), item("torn"), item("../acme"), item("acme", side=32), item("bolt")]
    )
    kinds = [type(result).__name__ for result in results]
    assert kinds == [
        "Found",
        "ModelUnavailable",
        "WeightsInvalid",
        "ModelUnavailable",
        "InvalidRequest",
        "Found",
    ]
    assert isinstance(results[4], InvalidRequest)
    assert "side 64, not 32" in results[4].detail


def test_a_picture_of_side_zero_only_begins_to_load(store: FolderStore, tmp_path: Path) -> None:
    engine = make_engine(store, tmp_path)
    with store.held():
        assert engine.detect([Item("acme", "v1", np.zeros((0, 0, 3), np.uint8))]) == [NOTHING]
        assert ("acme", "v1") not in engine.models.resident
    engine.models.load(("acme", "v1")).result(30)
    assert ("acme", "v1") in engine.models.resident


def test_memory_stays_within_its_limit(store: FolderStore, tmp_path: Path) -> None:
    engine = make_engine(store, tmp_path, memory=12_000_000)
    for brand in ("acme", "bolt", "acme"):
        [found] = engine.detect([item(brand)])
        assert isinstance(found, Found)
        assert engine.models.resident.size <= 12_000_000


class OneAtATime:
    """A runtime whose device holds one model, and computes one picture at a time."""

    has_device = True

    def __init__(self) -> None:
        self.held = 0
        self.loads = 0

    def load(self, weights: Path | bytes, description: ModelDescription) -> OneAtATime.Held:
        if self.held:
            raise MemoryError("full")
        self.loads += 1
        return OneAtATime.Held(self)

    def check(self) -> None:
        pass

    class Held:
        image_size = SIZE
        size_bytes = 100

        def __init__(self, device: OneAtATime) -> None:
            self._device = device
            device.held += 1

        def __del__(self) -> None:
            self._device.held -= 1

        def detect(self, batch: Pixels) -> list[Found]:
            if len(batch) > 1:
                raise MemoryError("no room to compute")
            return [NOTHING]


def test_a_full_device_gives_up_models_and_goes_on(store: FolderStore, tmp_path: Path) -> None:
    device = OneAtATime()
    engine = Engine(store, tmp_path, device, Budgets(1 << 30, 1 << 30, 1 << 30))
    for brand in ("acme", "bolt", "acme"):
        assert engine.detect([item(brand)]) == [NOTHING]
    assert device.loads == 3
    # From the host's memory: the store was asked once for each.
    assert len(store.fetched) == 4
    refused = engine.detect([item("acme"), item("acme", seed=1)])
    assert [type(result) for result in refused] == [EngineFull, EngineFull]
    assert engine.detect([item("bolt")]) == [NOTHING]


@pytest.mark.parametrize("has_device", [False, True])
def test_brands_whose_turn_has_not_come_make_room_for_the_first(tmp_path: Path, has_device: bool) -> None:
    store, brands = FolderStore(), ["acme", "bolt", "cord"]
    for brand in brands:
        told = telling_weights(brand, "v1")
        store.publish(describe_model(brand, "v1", told, telling.SIDE), told)
    # Room for all three, but then not for what computing takes.
    runtime = TellingRuntime(3200, has_device=has_device)
    engine = Engine(store, tmp_path, runtime, Budgets(1 << 20, 1 << 20, 1 << 20))
    items = [item(brand, side=telling.SIDE) for brand in brands]
    for one in items:
        engine.detect([Item(one.brand, "v1", np.zeros((0, 0, 3), np.uint8))])
        engine.models.load((one.brand, "v1")).result(30)
    assert len(engine.models.resident) == 3
    for one, found in zip(items, engine.detect(items), strict=True):
        assert isinstance(found, Found)
        assert found.labels == [telling_number(one.brand, "v1")]
    engine.models.resident.shrink(0)
    assert len(engine.models.resident) == 0


def test_others_do_not_wait_for_a_load(store: FolderStore, tmp_path: Path) -> None:
    engine = make_engine(store, tmp_path)
    engine.models.load(("acme", "v1")).result(30)
    with store.held():
        for _ in range(3):
            warm, cold = engine.detect([item("acme"), item("bolt")], wait_seconds=0)
            assert isinstance(warm, Found)
            assert isinstance(cold, ModelLoading)
    engine.models.load(("bolt", "v1")).result(30)
    assert isinstance(engine.detect([item("bolt")], wait_seconds=0)[0], Found)
    assert store.fetched.count("bolt/v1/model.safetensors") == 1


def test_what_is_on_disk_does_not_wait_for_a_store_that_hangs(store: FolderStore, tmp_path: Path) -> None:
    make_engine(store, tmp_path).models.load(("acme", "v1")).result(30)
    engine = make_engine(store, tmp_path)
    with store.held():
        for place in range(20):
            engine.models.load((f"brand-{place}", "v1"))
        assert isinstance(engine.detect([item("acme")])[0], Found)


def test_what_failed_is_not_tried_again_at_once(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(store, tmp_path)
    results = [engine.detect([item("nobody")])[0] for _ in range(3)]
    assert [type(result) for result in results] == [ModelUnavailable] * 3
    assert store.fetched == ["nobody/v1/model.json"]
    monkeypatch.setattr("assay_engine.models.RETRY_SECONDS", 0.0)
    engine = make_engine(store, tmp_path)
    store.down = True
    assert isinstance(engine.detect([item("acme")])[0], ModelUnavailable)
    store.down = False
    assert isinstance(engine.detect([item("acme")])[0], Found)


@pytest.mark.parametrize(("width", "height"), [(400, 300), (300, 400), (320, 320), (160, 90), (90, 160)])
def test_the_window_holds_the_whole_picture_and_little_more(width: int, height: int) -> None:
    picture = np.full((height, width, 3), 200, np.uint8)
    pixels, fit = letterbox(picture, 320)
    left, top, right, bottom = find_window(pixels)
    assert (right - left) % 32 == 0
    assert (bottom - top) % 32 == 0
    assert left <= fit.left
    assert top <= fit.top
    assert right >= fit.left + round(width * fit.ratio)
    assert bottom >= fit.top + round(height * fit.ratio)
    assert (right - left) * (bottom - top) < 320 * 320 * min(width, height) / max(width, height) + 64 * 320


def test_an_empty_picture_is_seen_whole() -> None:
    assert find_window(np.full((64, 64, 3), 114, np.uint8)) == (0, 0, 64, 64)


def test_the_device_proves_that_it_computes() -> None:
    runtime = TorchRuntime("cpu")
    runtime.check()
    runtime._weight = torch.zeros_like(runtime._weight)
    with pytest.raises(RuntimeError, match="computes wrongly"):
        runtime.check()
