"""Whatever happens at the same time, every answer comes from the brand and version that it names."""

from __future__ import annotations

import contextlib
import errno
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay_engine.budgets import Budgets
from assay_engine.engine import Engine
from assay_engine.errors import ModelUnavailable
from assay_engine.framing import Found, Item
from assay_engine.openvino_runtime import OpenVinoRuntime
from assay_engine.openvino_streams import StreamsRuntime
from assay_engine.protocols import Runtime
from assay_engine.runtime import TorchRuntime
from assay_shared.errors import Unavailable
from tests.support.folder_store import FolderStore
from tests.support.live_model import describe_model
from tests.support.lively import SIDE as SIDE_OF_REAL
from tests.support.lively import draw, lively_weights
from tests.support.telling import SIDE, TellingRuntime, telling_number, telling_weights

BRANDS, VERSIONS = ("acme", "bolt", "cord", "dorn", "echo"), ("v1", "v2", "v3")
SIZE = len(telling_weights("acme", "v1"))

events = st.sampled_from(
    ["rot the disk", "empty a folder", "rot the store", "heal", "store down", "disk full", "no room", "room"]
)


def publish(store: FolderStore, brand: str, version: str) -> None:
    weights = telling_weights(brand, version)
    store.publish(describe_model(brand, version, weights, SIDE), weights)


class Disturbance:
    """Does to the engine's surroundings what happens to them."""

    def __init__(self, store: FolderStore, folder: Path, runtime: TellingRuntime, seed: int) -> None:
        self._store, self._folder, self._runtime = store, folder, runtime
        self._random = random.Random(seed)

    def do(self, event: str) -> None:
        brand, version = self._random.choice(BRANDS), self._random.choice(VERSIONS)
        other = telling_weights(self._random.choice(BRANDS), self._random.choice(VERSIONS))
        weights = f"{brand}/{version}/model.safetensors"
        if event == "rot the disk":
            # Another model's weights, cut short, or nothing: no answer may come from any of them.
            with contextlib.suppress(FileNotFoundError):
                (self._folder / weights).write_bytes(self._random.choice([other, other[:500], b""]))
        elif event == "empty a folder":
            shutil.rmtree(self._folder / brand / version, ignore_errors=True)
        elif event == "rot the store":
            self._store.objects[weights] = other
        elif event == "heal":
            self._store.down = False
            self._store.broken.clear()
            for one in BRANDS:
                for each in VERSIONS:
                    publish(self._store, one, each)
        elif event == "store down":
            self._store.down = True
        elif event == "disk full":
            self._store.broken[weights] = OSError(errno.ENOSPC, "no space")
        else:
            self._runtime.room = 1 << 30 if event == "room" else 4 * SIZE


def ask(engine: Engine, seed: int, requests: int) -> int:
    """Asks for random models, several in one request; the number of answers. Checks each of them."""
    chosen = random.Random(seed)
    answered = 0
    for _ in range(requests):
        items = []
        for _ in range(chosen.randint(1, 6)):
            picture = np.full((SIDE, SIDE, 3), chosen.randrange(256), np.uint8)
            items.append(Item(chosen.choice(BRANDS), chosen.choice(VERSIONS), picture))
        wait = chosen.choice([None, 0.0, 0.01])
        for item, result in zip(items, engine.detect(items, wait), strict=True):
            if isinstance(result, Found):
                assert result.labels.tolist() == [telling_number(item.brand, item.version)]
                assert result.confidences.tolist() == [item.pixels[0, 0, 0]]
                answered += 1
            else:
                assert isinstance(result, Unavailable)
    return answered


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(events, min_size=1, max_size=12),
    st.integers(1, 8),
    st.integers(0, 4),
    st.integers(1, 12),
    st.booleans(),
    st.integers(0, 1 << 30),
)
def test_every_answer_is_of_the_model_that_it_names(
    happens: list[str], resident: int, host: int, disk: int, has_device: bool, seed: int
) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as name:
        patch.setattr("assay_engine.models.RETRY_SECONDS", 0.002)
        folder = Path(name)
        store, runtime = FolderStore(), TellingRuntime(has_device=has_device)
        disturbance = Disturbance(store, folder, runtime, seed)
        disturbance.do("heal")
        engine = Engine(store, folder, runtime, Budgets(resident * SIZE, host * SIZE, disk * 2 * SIZE))
        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask, engine, seed + thread, 12) for thread in range(3)]
            for event in happens:
                disturbance.do(event)
                time.sleep(0.001)
            for one in asking:
                one.result(60)
        # Nothing is broken for good: healed, every model answers.
        disturbance.do("heal")
        disturbance.do("room")
        time.sleep(0.01)
        for brand in BRANDS:
            for version in VERSIONS:
                [found] = engine.detect([Item(brand, version, np.zeros((SIDE, SIDE, 3), np.uint8))])
                assert isinstance(found, Found)
                assert found.labels.tolist() == [telling_number(brand, version)]
        engine.close()
        assert engine.models.resident.size <= resident * SIZE or len(engine.models.resident) <= 1


def test_two_processes_sharing_a_disk_never_mix_models(tmp_path: Path) -> None:
    store = FolderStore()
    for brand in BRANDS:
        for version in VERSIONS:
            publish(store, brand, version)
    engines = [Engine(store, tmp_path, TellingRuntime(), Budgets(2 * SIZE, 0, 6 * SIZE)) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, engines[thread % 2], thread, 40) for thread in range(4)]
        assert all(one.result(60) for one in asked)
    for engine in engines:
        engine.close()


MAKE_RUNTIME: dict[str, Callable[[], Runtime]] = {
    "torch": lambda: TorchRuntime("cpu"),
    "openvino": lambda: OpenVinoRuntime("f32", 1),
    "streams": lambda: StreamsRuntime("f32", 1, 2),
}


@pytest.mark.parametrize("kind", MAKE_RUNTIME)
def test_real_weights_under_eviction_answer_for_themselves(kind: str, tmp_path: Path) -> None:
    brands = [f"brand-{place}" for place in range(4)]
    store = FolderStore()
    runtime = MAKE_RUNTIME[kind]()
    [picture] = draw([(SIDE_OF_REAL, SIDE_OF_REAL)])
    expected = {}
    for place, brand in enumerate(brands):
        path = lively_weights(tmp_path / f"{brand}.safetensors", seed=place)
        description = describe_model(brand, "v1", path.read_bytes(), SIDE_OF_REAL)
        store.publish(description, path.read_bytes())
        [expected[brand]] = runtime.load(path, description).detect(picture[None])
    assert len({found.confidences.tobytes() for found in expected.values()}) == len(brands)
    folder = tmp_path / "models"
    engine = Engine(store, folder, runtime, Budgets(25_000_000, 0, 25_000_000))
    stop = threading.Event()
    answered: list[str] = []

    def rot() -> None:
        chosen = random.Random(1)
        while not stop.wait(0.05):
            path = folder / chosen.choice(brands) / "v1" / "model.safetensors"
            with contextlib.suppress(FileNotFoundError):
                path.write_bytes(store.objects[f"{chosen.choice(brands)}/v1/model.safetensors"])

    def request(seed: int) -> None:
        chosen = random.Random(seed)
        for _ in range(6):
            asked = chosen.sample(brands, 3)
            for brand, found in zip(
                asked, engine.detect([Item(b, "v1", picture) for b in asked]), strict=True
            ):
                if isinstance(found, ModelUnavailable):
                    # Its file was spoilt again while it was fetched again: refused, not answered wrongly.
                    continue
                assert isinstance(found, Found)
                answered.append(brand)
                np.testing.assert_allclose(found.boxes, expected[brand].boxes, atol=1e-3)
                np.testing.assert_allclose(found.confidences, expected[brand].confidences, atol=1e-5)

    rotting = threading.Thread(target=rot)
    rotting.start()
    try:
        with ThreadPoolExecutor(2) as pool:
            for one in [pool.submit(request, seed) for seed in range(2)]:
                one.result(120)
    finally:
        stop.set()
        rotting.join()
        engine.close()
    assert len(answered) > 18  # half of all
