"""What is measured of a photo is the print: not what lies behind the product."""

from __future__ import annotations

import cv2
import numpy as np

from assay_shared.appearance.alignment import Aligned
from assay_shared.appearance.measures import measure
from assay_shared.appearance.patches import Patch, Pixels, shrink
from assay_shared.appearance.reference import make_reference

SIDE, EDGE = 480, 80
INSIDE = np.zeros((SIDE, SIDE), bool)
INSIDE[EDGE:-EDGE, EDGE:-EDGE] = True
RIGID = np.zeros((0, SIDE // 16, SIDE // 16, 2), np.float32)
FLAT = np.zeros((SIDE // 16, SIDE // 16), np.float32)


def draw(behind: int) -> Pixels:
    """A carton with print up to its edge before a ground of some grey."""
    canvas = np.full((SIDE, SIDE, 3), behind, np.uint8)
    canvas[INSIDE] = (190, 200, 210)
    for row in range(EDGE + 25, SIDE - EDGE, 30):
        cv2.putText(canvas, "GENUINE 10 MG", (EDGE + 8, row), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (40, 30, 90), 2)
    canvas[~INSIDE] = behind
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), 0.8), np.uint8)


def show(pixels: Pixels) -> Aligned:
    return Aligned(
        pixels=pixels,
        seen=np.ones((SIDE, SIDE), bool),
        pose=np.eye(3, 4),
        bend=np.zeros(0, np.float32),
        residual=np.zeros((*FLAT.shape, 2), np.float32),
        weights=np.ones_like(FLAT),
        agreement=1.0,
        density=1.0,
    )


def test_what_lies_behind_the_product_changes_nothing_that_is_measured_of_its_print() -> None:
    reference = make_reference(draw(128), INSIDE, INSIDE, FLAT, RIGID)
    measured = []
    for behind in (10, 128, 245):
        photo = draw(behind)
        measured.append(measure(show(photo), Patch(photo, 0, 0, 1.0, SIDE, SIDE), reference))
    for one in measured:
        assert float(np.nanmax(one.unexplained)) < 2.0
        assert float(np.nanmax(one.maps[0])) < 0.1
        np.testing.assert_allclose(one.transfer[0], measured[1].transfer[0], atol=0.02)


def test_print_that_is_not_judged_does_not_say_how_sharp_a_photo_is() -> None:
    # The rim of a label that curves away is print all the same.
    judged = np.zeros_like(INSIDE)
    judged[EDGE + 60 : -EDGE - 60, EDGE + 60 : -EDGE - 60] = True
    reference = make_reference(draw(128), judged, INSIDE, FLAT, RIGID)
    softness = []
    for coarse in (0.1, 2.0):
        photo = draw(128)
        for across in range(0, SIDE, 24):
            photo[: EDGE - 20, across : across + 12] = 30
        behind, own = (cv2.GaussianBlur(photo, (0, 0), blur) for blur in (1.5, coarse))
        photo = np.asarray(np.where(shrink(INSIDE, 8)[..., None], own, behind), np.uint8)
        softness.append(measure(show(photo), Patch(photo, 0, 0, 1.0, SIDE, SIDE), reference).softness)
    np.testing.assert_allclose(softness[0], softness[1], rtol=0.05)
