"""What SageMaker loads itself: pictures that come too late, and a device without room to compute."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from assay_engine.errors import DeadlinePassed, EngineFull
from assay_engine.framing import Found, Item
from assay_engine.loaded_models import LoadedModels
from assay_shared.errors import NotFound
from tests.support.live_model import describe_model
from tests.support.telling import SIDE, TellingRuntime, telling_number, telling_weights


def load(folder: Path, room: int) -> LoadedModels:
    """One model, of brand acme, on a device with so many bytes."""
    weights = telling_weights("acme", "v1")
    folder.joinpath("model.safetensors").write_bytes(weights)
    described = describe_model("acme", "v1", weights, SIDE)
    folder.joinpath("model.json").write_text(described.model_dump_json())
    models = LoadedModels(TellingRuntime(room), 10_000)
    models.load("acme", str(folder))
    return models


def picture(deadline: float | None = None) -> Item:
    return Item("acme", "v1", np.full((SIDE, SIDE, 3), 90, np.uint8), deadline)


def test_what_nobody_waits_for_any_more_is_not_computed(tmp_path: Path) -> None:
    models, now = load(tmp_path, 1 << 20), time.monotonic()
    late, soon, whenever = models.detect("acme", [picture(now - 1), picture(now + 60), picture()])
    assert isinstance(late, DeadlinePassed)
    for found in (soon, whenever):
        assert isinstance(found, Found)
        assert found.labels.tolist() == [telling_number("acme", "v1")]


def test_a_device_without_room_refuses_the_pictures_and_not_the_request(tmp_path: Path) -> None:
    models = load(tmp_path, 1100)
    assert [type(one) for one in models.detect("acme", [picture(), picture()])] == [EngineFull, EngineFull]


def test_a_model_that_is_not_loaded_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load(tmp_path, 1 << 20).detect("bolt", [picture()])
