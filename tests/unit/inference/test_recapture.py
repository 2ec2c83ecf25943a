from __future__ import annotations

import cv2
import numpy as np
import pytest

from assay_inference.checks.image_quality import MOST_GRID
from assay_inference.pictures import Picture
from assay_inference.recapture import measure_grid

HEIGHT, WIDTH = 768, 1024
PLACE = (256.0, 192.0, 768.0, 576.0)


def paint(seed: int = 1) -> np.ndarray:
    """Soft shapes with a sensor's grain: a scene, 0 to 255."""
    rng = np.random.default_rng(seed)
    shapes = rng.integers(60, 200, (12, 16, 3)).astype(np.float32)
    scene = cv2.resize(shapes, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.asarray(scene + rng.normal(0, 3, scene.shape), np.float32)


def stripe(scene: np.ndarray, pitch: float, turn: float = 0.05) -> np.ndarray:
    """The scene on a screen: each colour its own stripes, `pitch` pixels apart."""
    y, x = np.mgrid[0 : scene.shape[0], 0 : scene.shape[1]]
    phase = (np.cos(turn) * x + np.sin(turn) * y) * (2 * np.pi / pitch)
    waves = [1 + 0.15 * np.cos(phase + 2 * np.pi * channel / 3) for channel in range(3)]
    return np.asarray(scene * np.stack(waves, axis=2), np.float32)


def look(scene: np.ndarray, place: tuple[float, float, float, float] | None = PLACE) -> float:
    pixels = np.clip(scene, 0, 255).astype(np.uint8)
    return measure_grid(Picture(pixels, pixels.shape[1], pixels.shape[0], b""), place)


@pytest.mark.parametrize("pitch", [2.6, 3.3, 5.0, 7.0, 12.0])
def test_a_screens_stripes_are_noticed(pitch: float) -> None:
    assert look(stripe(paint(), pitch)) > MOST_GRID
    assert look(stripe(paint(), pitch), None) > MOST_GRID


@pytest.mark.parametrize("seed", range(6))
def test_a_scene_has_no_grid(seed: int) -> None:
    assert look(paint(seed)) < MOST_GRID
    assert look(paint(seed), None) < MOST_GRID


@pytest.mark.parametrize("pitch", [2.6, 5.0])
def test_a_pattern_on_the_product_or_around_it_alone_is_none(pitch: float) -> None:
    left, top, right, bottom = (int(value) for value in PLACE)
    plain, striped = paint(), stripe(paint(), pitch)
    on_cloth = striped.copy()
    on_cloth[top:bottom, left:right] = plain[top:bottom, left:right]
    woven = plain.copy()
    woven[top:bottom, left:right] = striped[top:bottom, left:right]
    assert look(on_cloth) < MOST_GRID
    assert look(woven) < MOST_GRID


def test_different_patterns_on_the_product_and_around_it_are_none() -> None:
    left, top, right, bottom = (int(value) for value in PLACE)
    scene, product = stripe(paint(), 5.0), stripe(paint(), 3.3, turn=0.8)
    scene[top:bottom, left:right] = product[top:bottom, left:right]
    assert look(scene) < MOST_GRID


def test_grey_stripes_are_print() -> None:
    x = np.arange(WIDTH)[None, :, None]
    assert look(paint() + 30 * np.cos(2 * np.pi * x / 5)) < MOST_GRID


def test_too_little_to_tell_is_nothing() -> None:
    striped = stripe(paint(), 5.0)
    assert look(striped, (0.0, 0.0, float(WIDTH), float(HEIGHT))) == 0.0
    assert look(striped, (500.0, 300.0, 560.0, 360.0)) == 0.0
    assert look(striped[:100, :100], None) == 0.0
