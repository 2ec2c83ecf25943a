"""What an explanation is drawn from survives on disk."""

from __future__ import annotations

import numpy as np
import pytest

from assay_shared.appearance.patches import Doubles, cut_patch
from assay_shared.appearance.sketches import Outline, Sketch, SketchCorrupt, pack_sketch, unpack_sketch
from tests.support.prints import draw_art, photograph

OUTLINE = np.array([[[3, 4]], [[50, 4]], [[50, 60]]], np.int32)


def make_sketch(pose: Doubles | None, *outlines: Outline) -> Sketch:
    photo = photograph(draw_art(2), 5)
    return Sketch(cut_patch(photo.pixels, photo.box), pose, np.array([0.5], np.float32), outlines)


@pytest.mark.parametrize("pose", [None, np.arange(12.0).reshape(3, 4)])
@pytest.mark.parametrize("count", [0, 2, 12])
def test_a_sketch_is_read_as_it_was_packed(pose: Doubles | None, count: int) -> None:
    sketch = make_sketch(pose, *(OUTLINE + number for number in range(count)))
    found = unpack_sketch(pack_sketch(sketch))
    assert np.array_equal(found.patch.to_photo(), sketch.patch.to_photo())
    assert found.patch.photo_width == sketch.patch.photo_width
    apart = np.abs(found.patch.pixels.astype(int) - sketch.patch.pixels)
    assert apart.mean() < 4  # JPEG of sensor noise
    assert (found.pose is None) == (pose is None)
    assert found.pose is None or np.array_equal(found.pose, np.asarray(pose))
    assert np.array_equal(found.bend, sketch.bend)
    assert [one.tolist() for one in found.outlines] == [one.tolist() for one in sketch.outlines]


@pytest.mark.parametrize("damage", [b"", b"nothing", pack_sketch(make_sketch(None))[:-90]])
def test_a_damaged_sketch_says_so(damage: bytes) -> None:
    with pytest.raises(SketchCorrupt):
        unpack_sketch(damage)
