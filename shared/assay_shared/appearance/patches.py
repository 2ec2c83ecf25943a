"""The part of a photo that shows the product."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Outline = npt.NDArray[np.int32]
"""Corners (n, 1, 2)."""

MARGIN = 0.08
"""Share of the box's long side that is cut out around it: a detector's box overlaps the true one by .7."""
LONG_SIDE = 1280
"""Pixels to which a patch's long side is reduced: a third more than the frame that it is aligned to."""


@dataclass(frozen=True)
class Patch:
    """`pixels` uint8 (h, w, 3) RGB; `left` and `top` in photo pixels, `scale` patch pixels a photo pixel.

    `photo_width` and `photo_height` are those of the photo that `left`, `top` and `scale` speak of.
    """

    pixels: Pixels
    left: float
    top: float
    scale: float
    photo_width: int
    photo_height: int

    def to_photo(self) -> Doubles:
        """The homography (3, 3) from patch pixels to photo pixels."""
        return np.array([[1 / self.scale, 0, self.left], [0, 1 / self.scale, self.top], [0, 0, 1.0]])


def cut_patch(photo: Pixels, box: tuple[float, float, float, float]) -> Patch:
    """Cuts the product's box (left, top, right, bottom, pixels) of a photo (h, w, 3) out, with a margin.

    Raises ValueError where the box lies outside of the photo.
    """
    height, width = photo.shape[:2]
    left, top, right, bottom = box
    margin = MARGIN * max(right - left, bottom - top)
    x0, y0 = max(0, int(left - margin)), max(0, int(top - margin))
    x1, y1 = min(width, int(right + margin)), min(height, int(bottom + margin))
    if x1 - x0 < 2 or y1 - y0 < 2:
        raise ValueError(f"box {box} lies outside of a photo of {width} x {height} pixels")
    cut = photo[y0:y1, x0:x1]
    scale = min(1.0, LONG_SIDE / max(cut.shape[:2]))
    if scale < 1:
        cut = np.asarray(cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    return Patch(np.ascontiguousarray(cut), float(x0), float(y0), scale, width, height)


def to_grey(pixels: Pixels, long_side: int | None = None) -> tuple[Pixels, float]:
    """Grey values (h, w), reduced to at most `long_side`, and the scale that was used."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, long_side / max(grey.shape)) if long_side else 1.0
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8), scale


def shrink(where: Flags, by: int) -> Flags:
    """Flags (h, w) less a rim of `by` pixels; at the edge of the picture there is a rim too."""
    framed = np.pad(where.astype(np.uint8), 1)
    return np.asarray(cv2.erode(framed, np.ones((2 * by + 1, 2 * by + 1), np.uint8))[1:-1, 1:-1] > 0)
