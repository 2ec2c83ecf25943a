"""The frame of a reference: what patches are aligned to."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from assay_shared.appearance.keypoints import Keypoints, find_keypoints
from assay_shared.appearance.patches import Doubles, Flags, Floats, Pixels, to_grey

FRAME = 960
"""Pixels of the frame's long side."""
HALF = 2
"""Keypoints and flow work at half of the frame's size."""
CELL = 8
"""Edge of a cell of the flow's grid, in pixels of the half frame."""


@dataclass(frozen=True)
class Frame:
    """What patches are aligned to.

    `grey` uint8 (h, w), the reference at half size, locally normalised; `keypoints` in its pixels; `texture`
    (gh, gw), how much there is to hold on to in each cell, 0 outside of the print; `relief` (gh, gw), how far
    each cell stands off a plane, 0 everywhere where the product is one; `modes` (k, gh, gw, 2), the
    displacements in half pixels that its handling causes where it is not rigid, each of unit spread; `width`
    and `height` of the full frame.
    """

    grey: Pixels
    keypoints: Keypoints
    texture: Floats
    relief: Floats
    modes: Floats
    width: int
    height: int


def make_frame(
    pixels: Pixels, print_mask: Flags, relief: Floats | None = None, modes: Floats | None = None
) -> Frame:
    """The frame of a reference (h, w, 3) whose print is where the mask (h, w) says; a rigid plane unless
    relief and modes say otherwise."""
    height, width = print_mask.shape
    half = (width // HALF, height // HALF)
    small = np.asarray(cv2.resize(pixels, half, interpolation=cv2.INTER_AREA), np.uint8)
    grey, _ = to_grey(small)
    inside = np.asarray(
        cv2.resize(print_mask.astype(np.uint8), half, interpolation=cv2.INTER_NEAREST), np.uint8
    )
    near = np.asarray(cv2.dilate(inside, np.ones((9, 9), np.uint8)) * 255, np.uint8)
    normal = normalise_locally(grey)
    rows, columns = half[1] // CELL, half[0] // CELL
    if relief is None:
        relief = np.zeros((rows, columns), np.float32)
    if modes is None:
        modes = np.zeros((0, rows, columns, 2), np.float32)
    texture = _measure_texture(normal, inside)
    return Frame(normal, find_keypoints(grey, near), texture, relief, modes, width, height)


def normalise_locally(grey: Pixels) -> Pixels:
    """Grey values with mean 128 and standard deviation 45 around every pixel: blind to light."""
    values = grey.astype(np.float32)
    rest = values - cv2.blur(values, (25, 25))
    spread = np.sqrt(cv2.blur(rest * rest, (25, 25)) + 40.0)
    return np.asarray(np.clip(128 + 45 * rest / spread, 0, 255), np.uint8)


def find_relief(frame: Frame, places: Doubles) -> Doubles:
    """The relief (n,) at places (n, 2) of the half frame."""
    if not len(places) or not frame.relief.any():
        return np.zeros(len(places))
    at = ((places + 0.5) / CELL - 0.5).astype(np.float32)
    found = cv2.remap(
        frame.relief, at[:, None, 0], at[:, None, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(found, np.float64).ravel()


def find_cells(frame: Frame) -> Doubles:
    """The middles (gh gw, 2) of the frame's cells, in half pixels, row by row."""
    rows, columns = frame.texture.shape
    x, y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
    return np.asarray(np.stack([x, y], -1).reshape(-1, 2) * CELL - 0.5, np.float64)


def displace(modes: Floats, bend: Floats, width: int, height: int) -> Floats:
    """The displacement (height, width, 2) in half pixels of every place of a frame of that size."""
    field = np.tensordot(bend, modes, 1).astype(np.float32)
    return np.asarray(cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def average_cells(values: Floats) -> Floats:
    """The mean of each cell (gh, gw) of values (h, w) of the half frame."""
    rows, columns = values.shape[0] // CELL, values.shape[1] // CELL
    cut = values[: rows * CELL, : columns * CELL]
    return np.asarray(cv2.resize(cut, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)


def _measure_texture(normal: Pixels, inside: Pixels) -> Floats:
    """How much there is to hold on to in each cell: the lesser eigenvalue of the structure tensor."""
    smooth = cv2.GaussianBlur(normal, (0, 0), 1.0).astype(np.float32)
    dx, dy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    a, b, c = average_cells(dx * dx), average_cells(dy * dy), average_cells(dx * dy)
    lesser = (a + b) / 2 - np.sqrt((a - b) ** 2 / 4 + c**2)
    share = average_cells(inside.astype(np.float32))
    strong = np.sqrt(np.maximum(lesser, 0)) * share
    usual = float(np.percentile(strong[share > 0.5], 75)) if (share > 0.5).any() else 1.0
    return np.asarray(np.minimum(strong / max(usual, 1e-6), 1.0), np.float32)


def full_to_half() -> Doubles:
    """From (x, y, 1, relief) in full to the same in half frame pixels (4, 4); pixel centres are at whole
    numbers, and relief has no unit."""
    shift = 0.5 / HALF - 0.5
    return np.array([[1 / HALF, 0, shift, 0], [0, 1 / HALF, shift, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]])
