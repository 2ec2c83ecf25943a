from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay_inference.pictures import Picture
from assay_inference.quality import Quality, measure

RNG = np.random.default_rng(5)
COARSE = RNG.integers(40, 200, (24, 32, 3), dtype=np.uint8)
SCENE = cv2.resize(COARSE, (640, 480), interpolation=cv2.INTER_NEAREST)


def look(pixels: np.ndarray, region: tuple[float, float, float, float] | None = None) -> Quality:
    return measure(Picture(np.asarray(pixels, np.uint8), pixels.shape[1], pixels.shape[0], b""), region)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.8, 6), st.floats(1.2, 3))
def test_more_blur_is_less_sharp(sigma: float, more: float) -> None:
    little = look(cv2.GaussianBlur(SCENE, (0, 0), sigma))
    much = look(cv2.GaussianBlur(SCENE, (0, 0), sigma * more))
    assert look(SCENE).sharpness > little.sharpness > much.sharpness


@settings(max_examples=15, deadline=None)
@given(st.floats(0.3, 0.9))
def test_less_light_is_darker_and_hardly_less_sharp(gain: float) -> None:
    dim = look(SCENE * gain)
    bright = look(SCENE)
    assert dim.brightness < bright.brightness
    assert dim.contrast < bright.contrast
    assert dim.sharpness == pytest.approx(bright.sharpness, rel=0.15)


@pytest.mark.parametrize("radius", [30, 60, 120])
def test_glare_is_the_share_of_burnt_spots(radius: int) -> None:
    burnt = SCENE.copy()
    cv2.circle(burnt, (320, 240), radius, (255, 255, 255), -1)
    expected = np.pi * radius**2 / (640 * 480)
    assert look(burnt).glare == pytest.approx(expected, rel=0.1)
    assert look(SCENE).glare == 0


def test_single_white_pixels_are_no_glare() -> None:
    speckled = SCENE.copy()
    speckled[::16, ::16] = 255
    assert look(speckled).glare == 0


def test_noise_alone_does_not_make_a_blurred_picture_sharp() -> None:
    blurred = cv2.GaussianBlur(SCENE, (0, 0), 5).astype(np.float32)
    noisy = np.clip(blurred + RNG.normal(0, 4, blurred.shape), 0, 255)
    assert look(noisy).sharpness < look(SCENE).sharpness / 4


def test_a_region_is_measured_alone() -> None:
    scene = np.full((400, 800, 3), 250, np.uint8)
    scene[:, :400] = 30
    left, right = look(scene, (0, 0, 390, 400)), look(scene, (410, 0, 800, 400))
    assert left.brightness < 40 < 240 < right.brightness
    assert (left.long_side, left.short_side) == (400, 390)
    assert left.fill == 0.5
    assert right.glare > 0.9


@settings(max_examples=30, deadline=None)
@given(*[st.floats(-50, 900)] * 4)
def test_any_region_is_measured(a: float, b: float, c: float, d: float) -> None:
    region = (min(a, c), min(b, d), max(a, c), max(b, d))
    quality = look(SCENE, region)
    assert 0 <= quality.glare <= 1
    assert np.isfinite(quality.sharpness)


def test_reduced_pixels_are_told_in_those_of_the_whole() -> None:
    quality = measure(Picture(np.asarray(SCENE, np.uint8), 1280, 960, b""), (0, 0, 640, 960))
    assert (quality.long_side, quality.short_side, quality.fill) == (960, 640, 0.75)
