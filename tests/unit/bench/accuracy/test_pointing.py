"""Where a fake is altered and where its explanation points, both in the photo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assay_shared.appearance.frames import Frame, make_frame
from assay_shared.appearance.patches import Patch
from assay_shared.appearance.sketches import Outline, Sketch
from bench.accuracy.photos import Photo
from bench.accuracy.pointing import Pointed, compare, print_pointing

TURNED = np.array([[0.0, -1.0, 300.0, 0.0], [1.0, 0.0, 100.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
"""The frame lies a quarter turned in the photo: its (x, y) is the photo's (300 - y, 100 + x)."""
PHOTO = Photo(
    "altered-text",
    Path("000.jpg"),
    # Of a photo twice as large as what was decoded of it.
    {
        "width": 800,
        "product_long_side": 400,
        "altered": {"polygon": [[400, 300], [500, 300], [500, 400], [400, 400]]},
    },
)


@pytest.fixture(scope="module")
def frame() -> Frame:
    pixels = np.random.default_rng(3).integers(0, 255, (160, 200, 3), dtype=np.uint8)
    return make_frame(pixels, np.ones((160, 200), bool))


def sketch(*outlines: Outline) -> Sketch:
    patch = Patch(np.zeros((200, 160, 3), np.uint8), 140.0, 100.0, 1.0, 400, 350)
    return Sketch(patch, TURNED, np.zeros(0, np.float32), outlines)


def square(left: int, top: int, right: int, bottom: int) -> Outline:
    return np.array([[[left, top]], [[right, top]], [[right, bottom]], [[left, bottom]]], np.int32)


ALTERED = square(50, 50, 100, 100)
"""In the frame."""


def test_an_outline_of_what_is_altered_is_right(frame: Frame) -> None:
    found = compare("jar-1", PHOTO, sketch(ALTERED), frame)
    assert found.outlined
    assert found.covered == pytest.approx(1)
    assert found.elsewhere == 0
    assert found.right


def test_an_outline_elsewhere_is_wrong(frame: Frame) -> None:
    found = compare("jar-1", PHOTO, sketch(square(120, 50, 170, 100)), frame)
    assert (found.outlined, found.covered, found.elsewhere, found.right) == (True, 0, 1, False)


def test_what_is_outlined_besides_is_counted(frame: Frame) -> None:
    found = compare("jar-1", PHOTO, sketch(square(50, 50, 75, 100), square(130, 50, 155, 100)), frame)
    assert found.covered == pytest.approx(0.5, abs=0.03)
    assert found.elsewhere == pytest.approx(0.5, abs=0.03)


def test_without_outline_or_alignment_nothing_is_pointed_at(frame: Frame) -> None:
    for one in (sketch(), replace(sketch(ALTERED), pose=None)):
        found = compare("jar-1", PHOTO, one, frame)
        assert (found.outlined, found.covered, found.right) == (False, 0, False)


def test_what_is_altered_everywhere_has_no_place(frame: Frame) -> None:
    hue = Photo("hue-shift", Path("000.jpg"), {"width": 800, "product_long_side": 400, "altered": None})
    found = compare("jar-1", hue, sketch(ALTERED), frame)
    assert found.outlined
    assert np.isnan(found.covered)


def test_the_table_counts_right_ones_among_outlined_ones(capsys: pytest.CaptureFixture[str]) -> None:
    nan = float("nan")
    print_pointing(
        [
            Pointed("jar-1", "altered-text", True, 0.6, 0.1),
            Pointed("jar-1", "altered-text", True, 0.0, 1.0),
            Pointed("jar-1", "altered-text", False, 0.0, nan),
            Pointed("jar-1", "hue-shift", True, nan, nan),
        ]
    )
    rows = {row.split(" | ")[0].strip("| "): row for row in capsys.readouterr().out.splitlines()}
    assert rows["altered-text"].startswith("| altered-text | 3 | 2 | 50.0 %")
    assert rows["altered-text"].endswith("| 55% |")
    assert rows["hue-shift"] == "| hue-shift | 1 | 1 | - | - |"
