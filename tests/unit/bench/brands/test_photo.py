"""Photos of generated brands: repeatable, well annotated, and each fake differs as it says."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from bench.brands.catalog import FAMILIES
from bench.brands.fakes import KINDS
from bench.brands.photo import Scene, Shot, shoot
from bench.brands.product import PRODUCT, Product

Take = Callable[..., Shot]

SCENE = Scene("test", "genuine", 4)
FLAT, ROUND = "medicine-1", "can-1"


def decode(shot: Shot) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(shot.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return np.asarray(pixels)


@pytest.mark.parametrize("family", FAMILIES)
def test_boxes_lie_in_the_picture_and_marks_on_the_product(
    family: str, take: Take, product: Callable[[str], Product]
) -> None:
    shot = take(f"{family}-1", SCENE)
    height, width = decode(shot).shape[:2]
    assert (width, height) == (shot.width, shot.height)
    boxes = {box.label: box for box in shot.boxes}
    assert set(boxes) == {PRODUCT, *product(f"{family}-1").marks}
    whole = boxes[PRODUCT]
    for box in boxes.values():
        assert box.width > 0
        assert box.height > 0
        assert 0 <= box.left <= box.left + box.width <= width
        assert 0 <= box.top <= box.top + box.height <= height
        assert whole.left - 2 <= box.left
        assert whole.top - 2 <= box.top
        assert box.left + box.width <= whole.left + whole.width + 2
        assert box.top + box.height <= whole.top + whole.height + 2
    assert 0.4 < max(whole.width, whole.height) / max(width, height) < 1


def test_the_same_scene_gives_the_same_file(take: Take, product: Callable[[str], Product]) -> None:
    again = shoot(product(FLAT), SCENE, max(take(FLAT, SCENE).width, take(FLAT, SCENE).height))
    assert again.jpeg == take(FLAT, SCENE).jpeg
    assert again.boxes == take(FLAT, SCENE).boxes


def test_no_two_scenes_share_pose_light_or_camera(product: Callable[[str], Product]) -> None:
    scenes = [
        Scene(split, kind, index)
        for split, kind in (("train", "train"), ("test", "genuine"), *(("test", kind) for kind in KINDS))
        for index in range(70)
    ]
    starts = {tuple(scene.rng(slug).integers(2**62, size=2)) for scene in scenes for slug in (FLAT, ROUND)}
    assert len(starts) == 2 * len(scenes)


@pytest.mark.parametrize("brand", [FLAT, ROUND])
@pytest.mark.parametrize("kind", ["missing-element", "altered-text", "moved-logo"])
def test_the_altered_region_covers_what_changed(brand: str, kind: str, take: Take) -> None:
    genuine, fake = take(brand, SCENE), take(brand, SCENE, kind)
    assert fake.altered is not None
    assert fake.note
    apart = np.abs(decode(genuine).astype(int) - decode(fake)).max(axis=2)
    region = np.zeros(apart.shape, np.uint8)
    cv2.fillPoly(region, [np.round(fake.altered).astype(np.int32)], 1)
    near = cv2.dilate(region, np.ones((13, 13), np.uint8)) > 0
    assert apart[region > 0].max() > 25
    assert np.percentile(apart[~near], 99.9) < 12
    assert genuine.altered is None


@pytest.mark.parametrize("brand", [FLAT, ROUND])
def test_another_hue_differs_on_the_product_alone(brand: str, take: Take) -> None:
    genuine, fake = take(brand, SCENE), take(brand, SCENE, "hue-shift")
    # Colour alone: the camera's exposure follows the whole picture.
    one, other = (
        cv2.cvtColor(decode(shot), cv2.COLOR_BGR2LAB)[..., 1:].astype(int) for shot in (genuine, fake)
    )
    apart = np.abs(one - other).mean(axis=2)
    box = next(box for box in fake.boxes if box.label == PRODUCT)
    inside = np.zeros(apart.shape, bool)
    inside[box.top : box.top + box.height, box.left : box.left + box.width] = True
    assert apart[inside].mean() > 4 * apart[~inside].mean()


def test_a_flat_product_of_other_proportions_is_wider_or_higher(take: Take) -> None:
    scene = Scene("test", "proportions", 0)
    whole = [
        next(box for box in shot.boxes if box.label == PRODUCT)
        for shot in (take(FLAT, scene), take(FLAT, scene, "proportions"))
    ]
    genuine, fake = (box.width / box.height for box in whole)
    assert fake / genuine == pytest.approx(1.08, abs=0.04)


def test_a_round_product_keeps_its_shape_when_its_print_is_stretched(take: Take) -> None:
    scene = Scene("test", "proportions", 0)
    genuine, fake = take(ROUND, scene), take(ROUND, scene, "proportions")
    before, after = ({box.label: box for box in shot.boxes} for shot in (genuine, fake))
    assert before[PRODUCT] == after[PRODUCT]
    assert after["logo"].height == pytest.approx(before["logo"].height, abs=2)
    assert after["logo"].width > before["logo"].width
