"""Light is explained and taken away; print that is not there is not taken for light."""

from __future__ import annotations

import cv2
import numpy as np

from assay_shared.appearance.frames import HALF
from assay_shared.appearance.light import explain_light
from assay_shared.appearance.patches import Pixels

SIDE = 480
EVERYWHERE = np.ones((SIDE, SIDE), bool)
PICTURE = (slice(160, 320), slice(140, 340))
INNER = tuple(slice((part.start + 30) // HALF, (part.stop - 30) // HALF) for part in PICTURE)


def draw(*, picture: bool) -> Pixels:
    """A dark, woven product with a pale picture on it, or without."""
    canvas = np.full((SIDE, SIDE, 3), (90, 60, 30), np.uint8)
    for place in range(-SIDE, SIDE, 40):
        cv2.line(canvas, (place, 0), (place + SIDE, SIDE), (150, 115, 45), 4)
        cv2.line(canvas, (place + SIDE, 0), (place, SIDE), (150, 115, 45), 4)
    if picture:
        canvas[PICTURE] = (200, 230, 225)
        for x in range(160, 330, 28):
            for y in range(180, 310, 28):
                cv2.circle(canvas, (x, y), 9, (90, 45, 25), -1)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), 1.0), np.uint8)


def test_a_pale_picture_that_is_missing_from_a_dark_product_is_no_shadow() -> None:
    lit = explain_light(draw(picture=False), draw(picture=True), EVERYWHERE)
    assert lit.judged[INNER].mean() > 0.8
    assert lit.glare < 0.05


def test_a_deep_shadow_is_not_judged() -> None:
    photo = draw(picture=True).astype(np.float32)
    photo[PICTURE] *= 0.3
    lit = explain_light(np.asarray(photo, np.uint8), draw(picture=True), EVERYWHERE)
    assert lit.judged[INNER].mean() < 0.2
