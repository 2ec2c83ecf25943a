"""A dataset version in ultralytics' layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from assay_trainer.dataset import MARGIN, MAX_REPEATS, count_repeats, write_dataset
from tests.unit.trainer.support import box, item, make_manifest


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


def test_layout_boxes_and_sizes(images: Path, tmp_path: Path) -> None:
    manifest = make_manifest(
        item("a" * 64, "train", box("carton", 100, 50, 400, 200), box("seal", 0, 0, 80, 40), size=(800, 400)),
        item("b" * 64, "val", box("logo", 10, 10, 20, 20), size=(40, 80), extension="png"),
    )
    Image.fromarray(np.full((400, 800, 3), 90, np.uint8)).save(images / ("a" * 64 + ".jpg"))
    Image.fromarray(np.full((80, 40, 4), 90, np.uint8)).save(images / ("b" * 64 + ".png"))
    data = write_dataset(manifest, images, tmp_path / "dataset", 160)
    described = yaml.safe_load(data.read_text())
    assert described["names"] == {0: "carton", 1: "logo", 2: "seal", 3: "fake-logo"}
    root = Path(described["path"])
    listed = (root / described["train"]).read_text().splitlines()
    assert listed == ["./images/train/" + "a" * 64 + ".jpg"]

    lines = (root / "labels/train" / ("a" * 64 + ".txt")).read_text().splitlines()
    assert [[float(part) for part in line.split()] for line in lines] == [
        [0, 0.375, 0.375, 0.5, 0.5],
        [2, 0.05, 0.05, 0.1, 0.1],
    ]
    with Image.open(root / listed[0]) as picture:
        assert picture.size == (MARGIN * 160, MARGIN * 80)
    with Image.open(root / described["val"] / ("b" * 64 + ".jpg")) as picture:
        assert (picture.size, picture.mode) == ((40, 80), "RGB")


def test_a_picture_without_boxes_is_kept_as_background(images: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((10, 10, 3), np.uint8)).save(images / ("c" * 64 + ".jpg"))
    write_dataset(make_manifest(item("c" * 64, "train", size=(10, 10))), images, tmp_path, 160)
    assert (tmp_path / "labels/train" / ("c" * 64 + ".txt")).read_text() == ""


def test_rare_labels_are_shown_more_often() -> None:
    carton, seal, fake = (box(label, 0, 0, 9, 9) for label in ("carton", "seal", "fake-logo"))
    usual = [item(f"{number:064x}", "train", carton, seal) for number in range(12)]
    rare = [item(letter * 64, "train", carton, fake) for letter in "ab"]
    held_out = item("c" * 64, "val", carton, fake)
    background = item("d" * 64, "train")
    repeats = count_repeats(make_manifest(*usual, *rare, held_out, background))
    assert {repeats[picture.sha256] for picture in usual} == {1}
    assert {repeats[picture.sha256] for picture in rare} == {MAX_REPEATS}
    assert held_out.sha256 not in repeats
    assert repeats[background.sha256] == 1


def test_equally_many_labels_are_not_repeated() -> None:
    items = [
        item(f"{number:064x}", "train", box(name, 0, 0, 9, 9))
        for number, name in enumerate(["carton", "logo", "seal"] * 4)
    ]
    assert set(count_repeats(make_manifest(*items)).values()) == {1}
