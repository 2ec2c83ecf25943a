"""How well a picture shows what is in a box: numbers only; `checks.image_quality` judges them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from assay_inference.geometry import Rectangle
from assay_inference.pictures import Picture, Pixels
from assay_inference.recapture import measure_grid

LONG_SIDE = 512
"""Pixels of the region's long side at which everything is measured, so that numbers compare."""
BURNT = 250
"""Least channel value of a burnt-out pixel."""
SPOT = 0.001
"""Least share of the region of a burnt-out spot; smaller ones are noise."""


@dataclass(frozen=True)
class Quality:
    """What was measured in one region of a picture.

    `long_side` and `short_side` in pixels of the whole picture; `fill`: long side of the region by that of
    the picture; `sharpness`: variance of the Laplacian by variance of the grey values, blind to gain;
    `brightness` (mean) and `contrast` (standard deviation) of grey, 0 to 255; `dark`: share of pixels under
    20; `glare`: share in burnt-out spots; `grid`: see `recapture.measure_grid`.
    """

    long_side: float
    short_side: float
    fill: float
    sharpness: float
    brightness: float
    contrast: float
    dark: float
    glare: float
    grid: float = 0.0


def measure(picture: Picture, region: Rectangle | None) -> Quality:
    """Measures a region (pixels of the whole picture), or the whole picture for None."""
    left, top, right, bottom = region or (0.0, 0.0, float(picture.width), float(picture.height))
    long_side, short_side = max(right - left, bottom - top), min(right - left, bottom - top)
    crop = _shrink(_cut(picture, (left, top, right, bottom)))
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    variance = float(grey.var())
    return Quality(
        long_side=long_side,
        short_side=short_side,
        fill=long_side / max(picture.width, picture.height),
        sharpness=_edge_variance(grey) / (variance + 1.0),
        brightness=float(grey.mean()),
        contrast=variance**0.5,
        dark=float((grey < 20).mean()),
        glare=_glare(crop),
        grid=measure_grid(picture, region),
    )


def _cut(picture: Picture, region: Rectangle) -> Pixels:
    height, width = picture.pixels.shape[:2]
    left, top, right, bottom = (value / picture.scale for value in region)
    left, right = np.clip((left, right), 0, width)
    top, bottom = np.clip((top, bottom), 0, height)
    x, y = min(int(left), width - 1), min(int(top), height - 1)
    return picture.pixels[y : max(y + 1, round(bottom)), x : max(x + 1, round(right))]


def _shrink(crop: Pixels) -> Pixels:
    ratio = LONG_SIDE / max(crop.shape[:2])
    if ratio >= 1:
        return crop
    whole = int(1 / ratio)
    if whole > 1:
        # By a whole number first: five times as fast as straight to the size, and as smooth.
        size = (max(1, crop.shape[1] // whole), max(1, crop.shape[0] // whole))
        crop = np.asarray(
            cv2.resize(crop[: size[1] * whole, : size[0] * whole], size, interpolation=cv2.INTER_AREA),
            dtype=np.uint8,
        )
        ratio = LONG_SIDE / max(crop.shape[:2])
    size = (max(1, round(crop.shape[1] * ratio)), max(1, round(crop.shape[0] * ratio)))
    return np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def _edge_variance(grey: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
    """Variance of the Laplacian after a slight blur, which keeps sensor noise from looking sharp."""
    smooth = cv2.GaussianBlur(grey, (0, 0), 0.8)
    return float(cv2.Laplacian(smooth, cv2.CV_32F).var())


def _glare(crop: Pixels) -> float:
    burnt = (crop.min(axis=2) >= BURNT).astype(np.uint8)
    if not burnt.any():
        return 0.0
    _, _, stats, _ = cv2.connectedComponentsWithStats(burnt)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return float(areas[areas >= SPOT * burnt.size].sum() / burnt.size)
