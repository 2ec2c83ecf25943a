"""What neither position nor sharpness nor contrast explains of a photo's print, tile by tile."""

from __future__ import annotations

import cv2
import numpy as np

from assay_shared.appearance.alignment import Aligned
from assay_shared.appearance.frames import HALF
from assay_shared.appearance.light import measure_change
from assay_shared.appearance.patches import Doubles, Flags, Floats

TILE = 8
"""Edge of a tile, in frame pixels: a stroke of small print and the space beside it."""
WINDOW = 16
"""Frame pixels by which the windows stand apart in which one explanation holds; their standard deviation is
as much, so that a word is larger than what can be bent to its shape."""
MOST_SHIFT = 1.5
"""Frame pixels by which a window may still be displaced, after the flow's own displacement."""
MOST_REFINED = 2.0
MOST_SOFTENING = 0.6
"""Share of the change that a blur of 1 pixel makes, by which a window may be softer or sharper."""
MOST_GAIN = 0.1
"""Share by which a window's contrast may differ: light has been taken away before."""
SMOOTH = 2.0
"""Cells over which the flow's displacement is averaged: it must not take one word for another."""
UNMOVED = 0.1
"""Weight, of a cell's 1 at most, with which the pose is right: flow strays where there is nothing to see."""
MOST_FLOWED = 4.0
"""Frame pixels by which print may lie off its pose: on genuine photos one well seen cell in a hundred is as
much as 2 off."""
VEILED, BESIDE = 0.1, 2
"""Share of the square of what a veil of light changes by, within so many tiles, that is left of its own edge
and not of the print: the veil is known more smoothly than it is."""
_RIDGE = 0.5


def map_unexplained(ours: Floats, expected: Floats, judged: Flags, veil: Floats, aligned: Aligned) -> Floats:
    """The energy (rows, columns), squared grey values a pixel of a TILE, of what is left of detail `ours`
    (h, w) when the `expected` detail (h, w) may be displaced, softened and weakened a little in every
    window (Lucas and Kanade 1981, with two more causes), less what the edge of a `veil` of light (grey values
    at half size) may leave; nan where less than half of a tile is judged.
    """
    weight = judged.astype(np.float32)
    height, width = ours.shape
    moved = _refine(ours, expected, weight, _smooth_flow(aligned, width, height))
    rest = (_look(ours, moved) - expected) * weight
    causes = [*_slopes(expected), _soften(expected), expected]
    most = (MOST_SHIFT, MOST_SHIFT, MOST_SOFTENING, MOST_GAIN)
    causes = [cause * weight for cause in causes]
    shares = _explain(rest, causes, WINDOW)
    for share, cause, limit in zip(np.moveaxis(shares, -1, 0), causes, most, strict=True):
        rest -= _enlarge(np.clip(share, -limit, limit), width, height) * cause
    size = (width // TILE, height // TILE)
    energy = np.asarray(cv2.resize(rest * rest, size, interpolation=cv2.INTER_AREA), np.float32)
    energy = np.maximum(energy - VEILED * measure_change(veil, size, BESIDE) ** 2, np.float32(0))
    energy[cv2.resize(weight, size, interpolation=cv2.INTER_AREA) < 0.5] = np.nan
    return energy


def _smooth_flow(aligned: Aligned, width: int, height: int) -> Floats:
    """The displacement (height, width, 2), frame pixels, that the alignment's flow found and no pose
    explains, averaged over some cells."""
    weight = np.asarray(cv2.GaussianBlur(aligned.weights, (0, 0), SMOOTH) + UNMOVED, np.float32)
    near = np.clip(aligned.residual, -MOST_FLOWED / HALF, MOST_FLOWED / HALF)
    field = cv2.GaussianBlur(near * aligned.weights[..., None], (0, 0), SMOOTH) / weight[..., None]
    return _enlarge(np.asarray(HALF * field, np.float32), width, height)


def _refine(ours: Floats, expected: Floats, weight: Floats, moved: Floats) -> Floats:
    """The displacement once more, from slopes, at half size."""
    height, width = ours.shape
    size = (width // HALF, height // HALF)
    one, other, share, field = (
        np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
        for values in (ours, expected, weight, moved)
    )
    rest = (_look(one, np.asarray(field / HALF, np.float32)) - other) * share
    found = _explain(rest, [slope * share for slope in _slopes(other)], WINDOW // HALF)
    limit = MOST_REFINED / HALF
    found = np.asarray(cv2.GaussianBlur(np.clip(found, -limit, limit), (0, 0), 0.7), np.float32)
    return moved - HALF * _enlarge(found, width, height)


def _explain(rest: Floats, causes: list[Floats], window: int) -> Floats:
    """How much of each cause (h, w) there is in the rest (h, w), by least squares in windows: (rows,
    columns, causes)."""
    size = (rest.shape[1] // window, rest.shape[0] // window)

    def around(values: Floats) -> Floats:
        return np.asarray(
            cv2.GaussianBlur(cv2.resize(values, size, interpolation=cv2.INTER_AREA), (0, 0), 1.0), np.float32
        )

    count = len(causes)
    normal: Doubles = np.zeros((size[1], size[0], count, count))
    wanted: Doubles = np.zeros((size[1], size[0], count, 1))
    for i, cause in enumerate(causes):
        wanted[..., i, 0] = around(cause * rest)
        for j in range(i, count):
            normal[..., i, j] = normal[..., j, i] = around(cause * causes[j])
    return np.linalg.solve(normal + _RIDGE * np.eye(count), wanted)[..., 0].astype(np.float32)


def _slopes(values: Floats) -> tuple[Floats, Floats]:
    """Grey values a pixel, across and along."""
    across, along = (
        cv2.Sobel(values, cv2.CV_32F, 1, 0, scale=0.125),
        cv2.Sobel(values, cv2.CV_32F, 0, 1, scale=0.125),
    )
    return np.asarray(across, np.float32), np.asarray(along, np.float32)


def _soften(values: Floats) -> Floats:
    """What a blur of 1 pixel changes."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), 1.0) - values, np.float32)


def _look(values: Floats, moved: Floats) -> Floats:
    """Values (h, w) as seen where a displacement (h, w, 2) leads."""
    height, width = values.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.asarray(
        cv2.remap(
            values, x + moved[..., 0], y + moved[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ),
        np.float32,
    )


def _enlarge(values: Floats, width: int, height: int) -> Floats:
    whole = cv2.resize(np.ascontiguousarray(values), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(whole, np.float32)
