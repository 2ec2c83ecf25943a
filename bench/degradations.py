"""Ways in which pictures get worse, step by step, and what ought to notice (bench/quality.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Degrade = Callable[[Pixels, float, tuple[int, int, int, int], np.random.Generator], Pixels]
"""Pixels, step, the product's box (left, top, width, height), random numbers: worse pixels."""

DETECTOR_PIXELS = "long side, detector's pixels"
"""What is left of a product in the detector's frame: `fill` times the model's image size."""


def blur(pixels: Pixels, step: float, box: tuple[int, int, int, int], rng: np.random.Generator) -> Pixels:
    """Defocus; `step`: standard deviation in thousandths of the product's long side."""
    sigma = step * max(box[2:]) / 1000
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8) if sigma > 0 else pixels


def coarsen(pixels: Pixels, step: float, box: tuple[int, int, int, int], rng: np.random.Generator) -> Pixels:
    """A picture of fewer pixels; `step`: the product's short side in pixels."""
    share = min(1.0, step / min(box[2:]))
    return np.asarray(cv2.resize(pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8)


def move_away(
    pixels: Pixels, step: float, box: tuple[int, int, int, int], rng: np.random.Generator
) -> Pixels:
    """The scene smaller in the frame, surroundings of its own colours; `step`: the product's share of the
    frame's long side. The frame stays large, so that only the share changes."""
    height, width = pixels.shape[:2]
    share = min(1.0, step / (max(box[2:]) / width))
    wide = max(width, 2000)
    frame = (wide, wide * height // width)
    around = cv2.GaussianBlur(cv2.resize(pixels, (64, 48), interpolation=cv2.INTER_AREA), (0, 0), 6)
    canvas = cv2.resize(around, frame, interpolation=cv2.INTER_CUBIC)
    scene = cv2.resize(
        pixels, None, fx=share * wide / width, fy=share * wide / width, interpolation=cv2.INTER_LINEAR
    )
    left, top = (canvas.shape[1] - scene.shape[1]) // 2, (canvas.shape[0] - scene.shape[0]) // 2
    canvas[top : top + scene.shape[0], left : left + scene.shape[1]] = scene
    return np.asarray(canvas, np.uint8)


def expose(pixels: Pixels, step: float, box: tuple[int, int, int, int], rng: np.random.Generator) -> Pixels:
    """`step` stops more light (or less), with the noise of a sensor at that light."""
    light = (pixels.astype(np.float32) / 255) ** 2.2 * np.float32(2.0**step)
    light += rng.standard_normal(light.shape, np.float32) * np.sqrt(np.clip(light, 0, 1) * 2e-4 + 1e-5)
    return np.asarray(np.clip(light, 0, 1) ** (1 / 2.2) * 255 + 0.5, np.uint8)


def veil(pixels: Pixels, step: float, box: tuple[int, int, int, int], rng: np.random.Generator) -> Pixels:
    """A smeared lens or haze: `step` is what is left of the contrast."""
    return np.asarray(pixels * np.float32(step) + np.float32(150 * (1 - step)) + 0.5, np.uint8)


def glare(pixels: Pixels, step: float, box: tuple[int, int, int, int], rng: np.random.Generator) -> Pixels:
    """A burnt-out reflection over a share `step` of the product, anywhere on it."""
    if step == 0:
        return pixels
    left, top, width, height = box
    centre = (left + float(rng.uniform(0.15, 0.85)) * width, top + float(rng.uniform(0.15, 0.85)) * height)
    long = float(np.sqrt(step * width * height / np.pi * rng.uniform(1.2, 3.0)))
    short = step * width * height / np.pi / long
    mask = np.zeros(pixels.shape[:2], np.float32)
    cv2.ellipse(mask, (centre, (2 * long, 2 * short), float(rng.uniform(0, 180))), 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 0.02 * max(width, height)) * 1.6
    return np.asarray(np.clip(pixels + 255 * mask[..., None] ** 2, 0, 255), np.uint8)


@dataclass(frozen=True)
class Way:
    """One way to make pictures worse: its steps from best to worst, and the measures that ought to notice."""

    degrade: Degrade
    steps: tuple[float, ...]
    measures: tuple[str, ...]


WAYS = {
    "blur, thousandths of the product": Way(blur, (0, 2, 3, 4, 5, 6), ("sharpness",)),
    "product's short side, pixels": Way(coarsen, (900, 150, 120, 100, 80), ("short_side",)),
    "pixels of the detector's frame": Way(move_away, (1, 0.5, 0.45, 0.4, 0.35, 0.3), (DETECTOR_PIXELS,)),
    "stops less light": Way(expose, (0, -2, -3, -4, -5), ("brightness",)),
    "stops more light": Way(expose, (0, 1.2, 1.7, 2.2, 3.2), ("brightness", "glare")),
    "contrast left": Way(veil, (1, 0.5, 0.4, 0.3, 0.2), ("contrast",)),
    "share under glare": Way(glare, (0, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15), ("glare",)),
}
