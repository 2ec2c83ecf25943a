from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from assay_engine.cache import ModelCache
from assay_engine.engine import Engine
from assay_engine.errors import ModelUnavailable
from assay_engine.framing import NOTHING, Found, Item
from assay_engine.runtime import TorchRuntime
from assay_shared.detector.detector import Detector
from assay_shared.detector.preprocess import find_window, letterbox
from assay_shared.errors import InvalidRequest, NotFound, StoreUnavailable
from tests.support.live_model import LABELS, describe_model, random_weights

SIZE = 64


class FolderStore:
    """Objects in memory: what the engine needs of the store, with a switch to be down."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.down = False
        self.fetched: list[str] = []

    def get_file(self, bucket: str, key: str, path: Path) -> None:
        assert bucket == "live"
        self.fetched.append(key)
        if self.down:
            raise StoreUnavailable("down")
        if key not in self.objects:
            raise NotFound(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.objects[key])

    def publish(self, brand: str, version: str, weights: bytes) -> None:
        description = describe_model(brand, version, weights, SIZE)
        self.objects[f"{brand}/{version}/model.json"] = description.model_dump_json().encode()
        self.objects[f"{brand}/{version}/model.safetensors"] = weights


@pytest.fixture(scope="module")
def weights() -> bytes:
    return random_weights()


@pytest.fixture
def store(weights: bytes) -> FolderStore:
    store = FolderStore()
    store.publish("acme", "v1", weights)
    store.publish("bolt", "v1", weights)
    return store


def make_engine(store: FolderStore, folder: Path, memory: int = 1 << 30) -> Engine:
    return Engine(store, folder, TorchRuntime("cpu"), memory, 1 << 30)


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
    assert engine.resident_bytes > 2 * len(weights)


def test_one_bad_item_harms_no_other(store: FolderStore, tmp_path: Path) -> None:
    engine = make_engine(store, tmp_path)
    store.publish("torn", "v1", b"not weights at all")
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


def test_a_picture_of_side_zero_only_loads(store: FolderStore, tmp_path: Path) -> None:
    engine = make_engine(store, tmp_path)
    assert engine.detect([Item("acme", "v1", np.zeros((0, 0, 3), np.uint8))]) == [NOTHING]
    assert engine.resident_bytes > 0


def test_memory_stays_within_its_limit(store: FolderStore, tmp_path: Path) -> None:
    engine = make_engine(store, tmp_path, memory=12_000_000)
    for brand in ("acme", "bolt", "acme"):
        [found] = engine.detect([item(brand)])
        assert isinstance(found, Found)
        assert engine.resident_bytes <= 12_000_000


def test_the_cache_answers_without_the_store(store: FolderStore, tmp_path: Path) -> None:
    ModelCache(store, tmp_path, 1 << 30).fetch("acme", "v1")
    store.down = True
    assert ModelCache(store, tmp_path, 1 << 30).fetch("acme", "v1").description.brand == "acme"
    with pytest.raises(ModelUnavailable, match="store does not answer"):
        ModelCache(store, tmp_path, 1 << 30).fetch("bolt", "v1")


def test_a_corrupt_file_is_fetched_once_more(store: FolderStore, weights: bytes, tmp_path: Path) -> None:
    cache = ModelCache(store, tmp_path, 1 << 30)
    path = cache.fetch("acme", "v1").weights
    path.write_bytes(weights[:-1])
    assert hashlib.sha256(cache.fetch("acme", "v1").weights.read_bytes()).digest() == (
        hashlib.sha256(weights).digest()
    )
    store.objects["acme/v1/model.safetensors"] = b"rotten"
    path.write_bytes(b"rotten")
    fetched = len(store.fetched)
    with pytest.raises(ModelUnavailable, match="corrupt in the object store"):
        cache.fetch("acme", "v1")
    assert len(store.fetched) == fetched + 2


def test_a_model_json_that_cannot_be_read_is_an_error_of_its_brand(
    store: FolderStore, tmp_path: Path
) -> None:
    store.objects["acme/v1/model.json"] = b"{}"
    with pytest.raises(ModelUnavailable, match=r"model.json cannot be read"):
        ModelCache(store, tmp_path, 1 << 30).fetch("acme", "v1")


def test_the_disk_keeps_within_its_limit_and_drops_the_oldest(
    store: FolderStore, weights: bytes, tmp_path: Path
) -> None:
    cache = ModelCache(store, tmp_path, int(len(weights) * 1.5))
    cache.fetch("acme", "v1")
    cache.fetch("bolt", "v1")
    assert (tmp_path / "bolt" / "v1").exists()
    assert not (tmp_path / "acme" / "v1").exists()


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
