from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay_engine.budgets import Budgets
from assay_engine.engine import Engine
from assay_engine.framing import Item
from assay_engine.pins import Pins
from tests.support.folder_store import FolderStore
from tests.support.live_model import describe_model
from tests.support.telling import SIDE, TellingRuntime, telling_weights

SIZE = len(telling_weights("acme", "v1"))


@pytest.fixture
def store() -> FolderStore:
    store = FolderStore()
    for brand in ("acme", "bolt", "cord", "dorn"):
        for version in ("v1", "v2"):
            weights = telling_weights(brand, version)
            store.publish(describe_model(brand, version, weights, SIDE), weights)
        store.point(brand, "v1")
    return store


def ask(engine: Engine, brand: str) -> None:
    engine.detect([Item(brand, "v1", np.zeros((SIDE, SIDE, 3), np.uint8))])


def test_pinned_brands_are_loaded_and_stay_and_follow_their_live_version(
    store: FolderStore, tmp_path: Path
) -> None:
    engine = Engine(store, tmp_path, TellingRuntime(), Budgets(2 * SIZE, 0, 1 << 30))
    pins = Pins(engine.models, store, ["acme"])
    pins.look()
    assert engine.models.resident.keys() == [("acme", "v1")]
    for brand in ("bolt", "cord", "bolt", "cord", "dorn"):
        ask(engine, brand)
    assert ("acme", "v1") in engine.models.resident
    store.point("acme", "v2")
    pins.look()
    assert ("acme", "v2") in engine.models.resident
    for brand in ("bolt", "cord"):
        ask(engine, brand)
    assert ("acme", "v2") in engine.models.resident
    assert ("acme", "v1") not in engine.models.resident


def test_what_cannot_be_had_keeps_no_other_brand_from_being_pinned(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay_engine.models.RETRY_SECONDS", 0.0)
    engine = Engine(store, tmp_path, TellingRuntime(), Budgets(1 << 30, 0, 1 << 30))
    store.objects["bolt/v1/model.safetensors"] = b"rotten"
    pins = Pins(engine.models, store, ["nobody", "bolt", "acme"])
    pins.look()
    assert engine.models.resident.keys() == [("acme", "v1")]
    store.down = True
    pins.look()
    assert engine.models.resident.keys() == [("acme", "v1")]


def test_pins_leave_room_for_others(store: FolderStore, tmp_path: Path) -> None:
    engine = Engine(store, tmp_path, TellingRuntime(), Budgets(2 * SIZE, 0, 1 << 30))
    Pins(engine.models, store, ["acme", "bolt"]).look()
    for brand in ("cord", "dorn"):
        ask(engine, brand)
    assert ("acme", "v1") in engine.models.resident
    assert engine.models.resident.size <= 2 * SIZE
