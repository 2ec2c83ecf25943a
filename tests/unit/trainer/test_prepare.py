"""What is told of pictures before they are learnt from."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from assay_shared.wire import DatasetItem, Shortage
from assay_trainer.prepare import PicturesInsufficient, prepare_dataset
from tests.unit.trainer.support import box, item, make_manifest

SIZE = (120, 90)
CARTON = box("carton", 20, 20, 60, 50)


def draw(
    folder: Path, number: int, split: Literal["train", "val"], *, noise: int = 0, light: float = 1.0
) -> DatasetItem:
    """Scene `number`, soft random shapes; with `noise` another shot of the same."""
    few = np.random.default_rng(number).integers(20, 200, (6, 8, 3), dtype=np.uint8)
    scene = np.asarray(Image.fromarray(few).resize(SIZE, Image.Resampling.BICUBIC), np.float64) * light
    scene[20:70, 20:80] = np.array([150, 120, 90]) * light
    scene += np.random.default_rng(900 + noise).normal(0, 1.5 if noise else 0, scene.shape)
    sha256 = f"{number:032x}{noise:032x}"
    Image.fromarray(scene.clip(0, 255).astype(np.uint8)).save(folder / f"{sha256}.jpg", quality=95)
    return item(sha256, split, CARTON, size=SIZE)


def test_pictures_of_one_look_make_a_group_whatever_the_registry_said(tmp_path: Path) -> None:
    items = [draw(tmp_path, number, "train") for number in range(6)]
    items += [draw(tmp_path, 1, "train", noise=1), draw(tmp_path, 6, "val")]
    items[0], items[2] = (one.model_copy(update={"group": "f" * 64}) for one in (items[0], items[2]))
    dataset, told = prepare_dataset(make_manifest(*items), tmp_path)
    groups = [one.group for one in dataset.items]
    assert groups[1] == groups[6]
    assert groups[0] == groups[2]
    assert len(set(groups)) == 6
    assert told == []


def test_a_held_out_picture_that_repeats_one_that_is_learnt_from_is_left_out(tmp_path: Path) -> None:
    items = [draw(tmp_path, number, "train") for number in range(4)]
    again, other = draw(tmp_path, 2, "val", noise=1), draw(tmp_path, 7, "val")
    dataset, told = prepare_dataset(make_manifest(*items, again, other), tmp_path)
    assert [one.sha256 for one in dataset.items] == [one.sha256 for one in [*items, other]]
    (line,) = told
    assert again.sha256 in line


def test_nothing_left_to_judge_by(tmp_path: Path) -> None:
    items = [draw(tmp_path, 1, "train"), draw(tmp_path, 1, "val", noise=1)]
    with pytest.raises(PicturesInsufficient, match="No picture is left to judge a model by: all 1"):
        prepare_dataset(make_manifest(*items), tmp_path)
    with pytest.raises(PicturesInsufficient, match="to learn from"):
        prepare_dataset(make_manifest(draw(tmp_path, 1, "val")), tmp_path)


def test_one_light_is_told_and_various_light_is_not(tmp_path: Path) -> None:
    def warn(lights: list[float]) -> list[Shortage]:
        items = [
            draw(tmp_path, number, "val" if number < 2 else "train", light=light)
            for number, light in enumerate(lights)
        ]
        return prepare_dataset(make_manifest(*items), tmp_path)[0].warnings

    (warning,) = warn([1.0] * 12)
    assert (warning.label, warning.kind, warning.images) == ("carton", "light", 0)
    assert warn([0.7, 1.0, 1.2] * 4) == []


def test_what_the_registry_warned_of_is_kept(tmp_path: Path) -> None:
    told = Shortage(label="carton", kind="angle", images=1, needed=4, advice="turn it")
    manifest = make_manifest(draw(tmp_path, 1, "train"), draw(tmp_path, 2, "val"))
    dataset, _ = prepare_dataset(manifest.model_copy(update={"warnings": [told]}), tmp_path)
    assert dataset.warnings == [told]
