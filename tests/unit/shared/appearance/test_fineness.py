"""Softness of edges: measured where it counts, it is what measuring everywhere gives."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_shared.appearance.fineness import _measure_slope, _measure_slope_at, measure_softness
from assay_shared.appearance.patches import to_grey
from tests.support.prints import draw_art, photograph


@given(st.integers(3, 12), st.integers(3, 12), st.integers(0, 2**32 - 1))
def test_the_slope_at_places_is_that_of_the_whole(height: int, width: int, seed: int) -> None:
    grey = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    places = np.arange(height * width)
    at = _measure_slope_at(grey.astype(np.float32), places)
    assert at.reshape(height, width) == pytest.approx(_measure_slope(grey), abs=1e-4)


def test_a_softer_picture_has_softer_edges() -> None:
    grey, _ = to_grey(photograph(draw_art(3), 4).pixels)
    everywhere = np.ones(grey.shape, bool)
    soft = [
        measure_softness(np.asarray(cv2.GaussianBlur(grey, (0, 0), sigma), np.uint8), everywhere)
        for sigma in (0.6, 1.2, 2.4)
    ]
    assert soft[0] < soft[1] < soft[2]
    assert all(sharpest <= typical for sharpest, typical in soft)


def test_without_edges_nothing_is_said() -> None:
    flat = np.full((50, 60), 128, np.uint8)
    assert np.isnan(measure_softness(flat, np.ones((50, 60), bool))).all()
