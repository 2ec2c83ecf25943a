"""From a picture to the detector's input, and back with the boxes. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

PADDING = 114
"""Grey of the borders, as in training (ultralytics' LetterBox)."""
STRIDE = 32
"""Of the network's coarsest features, in pixels."""


@dataclass(frozen=True)
class Letterbox:
    """How a picture was laid into the square: `ratio` input pixels per picture pixel, then the offset."""

    ratio: float
    left: int
    top: int
    width: int
    height: int

    def to_picture(self, boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Boxes (N, 4) xyxy from input pixels to picture pixels, clipped to the picture."""
        moved = (boxes - np.array([self.left, self.top, self.left, self.top], np.float32)) / self.ratio
        limits = np.array([self.width, self.height, self.width, self.height], np.float32)
        clipped: npt.NDArray[np.float32] = np.clip(moved, 0, limits).astype(np.float32)
        return clipped

    def to_input(self, boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Boxes (N, 4) xyxy from picture pixels to input pixels."""
        offset = np.array([self.left, self.top, self.left, self.top], np.float32)
        return (boxes * np.float32(self.ratio) + offset).astype(np.float32)


def letterbox(picture: npt.NDArray[np.uint8], size: int) -> tuple[npt.NDArray[np.uint8], Letterbox]:
    """Lays an upright RGB picture (H, W, 3) into a grey square (size, size, 3).

    The geometry and the interpolation are those of ultralytics' LetterBox with `auto=False`, so that a model
    sees in service what it saw in training.
    """
    height, width = picture.shape[:2]
    ratio = min(size / height, size / width)
    new_width, new_height = max(round(width * ratio), 1), max(round(height * ratio), 1)
    left = round((size - new_width) / 2 - 0.1)
    top = round((size - new_height) / 2 - 0.1)
    if (new_width, new_height) != (width, height):
        picture = cv2.resize(picture, (new_width, new_height), interpolation=cv2.INTER_LINEAR).astype(
            np.uint8, copy=False
        )
    square = np.full((size, size, 3), PADDING, np.uint8)
    square[top : top + new_height, left : left + new_width] = picture
    return square, Letterbox(ratio, left, top, width, height)


def find_window(square: npt.NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is not grey border in a letterboxed picture (S, S, 3), grown to
    multiples of the network's stride where the border allows: what ultralytics' own prediction looks at."""
    side = len(square)
    filled = square.reshape(side, -1) != PADDING
    top, bottom = _find_span(filled.any(axis=1))
    left, right = _find_span(filled.any(axis=0).reshape(side, -1).any(axis=1))
    return left, top, right, bottom


def _find_span(filled: npt.NDArray[np.bool_]) -> tuple[int, int]:
    size = len(filled)
    places = np.flatnonzero(filled)
    if not len(places):
        return 0, size
    first, last = int(places[0]), int(places[-1]) + 1
    wanted = -(-(last - first) // STRIDE) * STRIDE
    first = max(0, min(first - (wanted - (last - first)) // 2, size - wanted))
    return first, first + wanted
