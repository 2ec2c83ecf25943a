"""The letterbox: ultralytics' geometry, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_shared.detector import offline as offline  # before ultralytics
from assay_shared.detector.preprocess import PADDING, letterbox

SIDES = st.integers(1, 900)


@pytest.mark.parametrize("shape", [(600, 800), (333, 1000), (640, 640), (641, 200), (3, 999), (100, 60)])
def test_pixels_equal_ultralytics(shape: tuple[int, int]) -> None:
    from ultralytics.data.augment import LetterBox

    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    theirs = LetterBox((640, 640), auto=False)(image=picture)
    np.testing.assert_array_equal(letterbox(picture, 640)[0], theirs)


@given(height=SIDES, width=SIDES, corners=st.tuples(*[st.floats(0, 1)] * 4))
def test_boxes_come_back(height: int, width: int, corners: tuple[float, float, float, float]) -> None:
    _, geometry = letterbox(np.zeros((height, width, 3), np.uint8), 320)
    box = (np.array([corners]) * [width, height, width, height]).astype(np.float32)
    back = geometry.to_picture(geometry.to_input(box))
    np.testing.assert_allclose(back, box, atol=0.01 + max(height, width) * 1e-5)


@given(height=SIDES, width=SIDES)
def test_the_picture_touches_two_sides_and_the_rest_is_grey(height: int, width: int) -> None:
    square, geometry = letterbox(np.full((height, width, 3), 200, np.uint8), 320)
    covered = (square == 200).all(2)
    assert covered.any(0).sum() == 320 or covered.any(1).sum() == 320
    assert (square[~covered] == PADDING).all()
    assert geometry.to_input(np.zeros((1, 4), np.float32))[0, 0] == geometry.left
