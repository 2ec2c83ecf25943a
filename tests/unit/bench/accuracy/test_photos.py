"""Photos of a collection and their boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from assay_shared.detector.overlap import measure_overlap
from assay_shared.wire import LabelRole
from bench.accuracy.photos import GENUINE, OTHERS, TRAIN, list_photos, read_roles


def test_sets_come_in_order_and_no_more_than_asked(folder: Path) -> None:
    names = [photo.name for photo in list_photos(folder, (TRAIN, GENUINE), 1)]
    assert names == ["train/000.jpg", "genuine/000.jpg"]
    assert read_roles(folder) == {"product": LabelRole.PRODUCT, "logo": LabelRole.MARK}
    assert next(list_photos(folder, (TRAIN,))).facts["product_long_side"] == 60


def test_the_product_comes_first_and_is_moved_a_little_and_always_alike(folder: Path) -> None:
    [first, second] = list_photos(folder, (GENUINE,))
    assert [box.label for box in first.read_annotation()] == ["product", "logo"]
    true = np.array([first.read_annotation()[0].box], np.float32)
    assert true.tolist() == [[20, 10, 80, 60]]
    moved = [photo.move_annotation().box for photo in (first, second, first)]
    assert moved[0] == moved[2] != moved[1]
    assert 0.6 < measure_overlap(np.array(moved[:1], np.float32), true)[0, 0] < 1


def test_another_products_photo_is_cut_out_whole(folder: Path) -> None:
    photo = next(list_photos(folder, (OTHERS,)))
    assert photo.move_annotation().box == (0, 0, 96, 72)
    assert photo.read().pixels.shape == (72, 96, 3)
    half = photo.read(0.5)
    assert (half.pixels.shape, half.width, half.height, half.scale) == ((36, 48, 3), 48, 36, 1)
