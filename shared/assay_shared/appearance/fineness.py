"""How fine the print is, given what the picture itself could resolve."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from assay_shared.appearance.patches import Flags, Floats, Pixels

SIGMAS = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Edges of the bands of detail, in frame pixels: standard deviations of the blurs that they lie between."""
BANDS = len(SIGMAS) - 1
REBLUR = 1.0
"""Pixels of the second blur whose effect on an edge says how soft the edge was (Zhuo and Sim 2011)."""


def split_bands(grey: Floats) -> list[Floats]:
    """Bands of detail of grey values (h, w), finest first."""
    blurred = [grey if sigma == 0 else cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in SIGMAS]
    return [np.asarray(blurred[i] - blurred[i + 1], np.float32) for i in range(BANDS)]


def measure_transfer(bands: list[Floats], reference: list[Floats], where: Flags) -> Floats:
    """For each band, log of the gain of what is shared with the reference, and log of the energy that is not,
    relative to the reference's: (2, BANDS). Noise has no share in the gain."""
    gains, rest = [], []
    for one, other in zip(bands, reference, strict=True):
        x, r = one[where], other[where]
        energy = max(float(r @ r), 1e-3)
        gain = float(x @ r) / energy
        left = x - gain * r
        gains.append(np.log(max(gain, 0.02)))
        rest.append(np.log(max(float(left @ left) / energy, 1e-4)))
    return np.array([gains, rest], np.float32)


def measure_softness(grey: Pixels, outside: Flags) -> tuple[float, float]:
    """How soft the sharpest and the typical strong edges are outside of the print, where the lens and not
    the print decides: blur in pixels of `grey` (h, w); nan where there are too few edges."""
    slope = _measure_slope(grey)
    strong = outside & (slope > 24)
    if int(strong.sum()) < 60:
        strong = outside & (slope > 10)
    if int(strong.sum()) < 60:
        return float("nan"), float("nan")
    # Along the ridge only: beside it the ratio says nothing.
    ridge = np.flatnonzero(strong & (slope >= cv2.dilate(slope, np.ones((3, 3), np.uint8)) - 1e-3))
    blurred = np.asarray(cv2.GaussianBlur(grey.astype(np.float32), (0, 0), REBLUR), np.float32)
    again = _measure_slope_at(blurred, ridge)
    ratio = np.maximum(slope.ravel()[ridge] / np.maximum(again, 1e-3), 1.001)
    blur = REBLUR / np.sqrt(ratio**2 - 1)
    if len(blur) < 20:
        return float("nan"), float("nan")
    return float(np.percentile(blur, 15)), float(np.percentile(blur, 50))


def _measure_slope(grey: Pixels) -> Floats:
    """Length of the gradient of grey values (h, w) a pixel, by Sobel's operator."""
    dx, dy = cv2.Sobel(grey, cv2.CV_16S, 1, 0), cv2.Sobel(grey, cv2.CV_16S, 0, 1)
    return np.asarray(cv2.magnitude(dx.astype(np.float32), dy.astype(np.float32)) / 4, np.float32)


def _measure_slope_at(values: Floats, places: npt.NDArray[np.intp]) -> Floats:
    """The same of values (h, w) at flat places (n,) only: a few in a hundred."""
    height, width = values.shape
    y, x = np.divmod(places, width)
    # The border is mirrored, as OpenCV does it.
    up, down = np.where(y > 0, y - 1, 1), np.where(y < height - 1, y + 1, height - 2)
    left, right = np.where(x > 0, x - 1, 1), np.where(x < width - 1, x + 1, width - 2)

    def at(row: npt.NDArray[np.intp], column: npt.NDArray[np.intp]) -> Floats:
        return np.asarray(values.ravel()[row * width + column], np.float32)

    a, b, c = at(up, left), at(up, x), at(up, right)
    d, e = at(y, left), at(y, right)
    f, g, h = at(down, left), at(down, x), at(down, right)
    dx, dy = (c - a) + 2 * (e - d) + (h - f), (f - a) + 2 * (g - b) + (h - c)
    return np.asarray(np.sqrt(dx * dx + dy * dy) / 4, np.float32)
