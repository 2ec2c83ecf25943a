"""Aligned photos laid over each other: what they have in common, and where that is print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np

from assay_shared.appearance.alignment import Aligned
from assay_shared.appearance.frames import CELL, HALF, Frame
from assay_shared.appearance.patches import Doubles, Flags, Floats, Pixels
from assay_shared.appearance.reference import to_lightness
from assay_shared.appearance.threads import map_on_cores

MOST_MOVED, FIRM, LOOSE = 10.0, 0.35, 3.0
"""Half pixels that count of a displacement at most; that any cell may be displaced; times the median
displacement from which on a cell is not on the surface."""
T = TypeVar("T", bound=np.generic)

SEEN_BY = 0.8
"""Share of the photos that must show a place for it to be judged."""
SAMPLES, GAIN_ROUNDS = 5000, 3
"""Places of the core by which light is made alike, and how often."""
AROUND, DARK = 16.0, 32.0
"""Frame pixels over which the level of lightness is taken; grey values of it below which noise is what
scatters."""


def merge(aligned: Sequence[Aligned], core: Flags) -> tuple[Pixels, Flags]:
    """The median of aligned photos (h, w, 3) after their light is made alike, where the print is
    (h, w).

    `core` (h, w) is where print is known to be: exposure and white balance are compared there.
    """
    seen = np.stack([one.seen for one in aligned])
    gains = _find_gains(aligned, core)
    stack = np.empty((len(aligned), *aligned[0].pixels.shape), np.uint8)

    def light_alike(place: int) -> None:
        stack[place] = np.clip(aligned[place].pixels * gains[place], 0, 255)

    map_on_cores(light_alike, range(len(aligned)))
    middle = np.empty(stack.shape[1:], np.uint8)
    scatter = np.empty(stack.shape[1:3], np.float32)

    def merge_rows(top: int) -> None:
        rows = slice(top, top + 16)
        # What few photos do not see does not move a median, and what many do not see is no print.
        part = np.ascontiguousarray(np.moveaxis(stack[:, rows], 0, -1))
        middle[rows] = _middle(part)
        apart = np.abs(part.astype(np.int16) - middle[rows][..., None]).sum(2, dtype=np.int16)
        scatter[rows] = _middle(apart) / 3

    map_on_cores(merge_rows, range(0, len(middle), 16))
    grey = to_lightness(middle.astype(np.float32))
    # Light varies in proportion to what it falls on: white paper scatters more than dark glass does.
    level = cv2.GaussianBlur(grey, (0, 0), AROUND) + DARK
    detail = np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 3.0))
    scatter *= np.float32(128) / level
    return middle, find_print(scatter, detail, seen.mean(0) >= SEEN_BY, core)


def find_surface(frame: Frame, aligned: Sequence[Aligned]) -> Flags:
    """Where the surface is that the frame's relief explains (h, w): the hull of the cells that photos show
    where it says. The silhouette of a round product, its cap and what they hide move against it."""
    weights = np.stack([one.weights for one in aligned])
    moved = np.stack([(one.residual**2).sum(-1) for one in aligned])
    total = weights.sum(0)
    error = np.sqrt((weights * np.minimum(moved, MOST_MOVED**2)).sum(0) / np.maximum(total, 1e-6))
    known = total > SEEN_BY * np.median(total[total > 0]) if (total > 0).any() else total > 0
    usual = float(np.median(error[known])) if known.any() else 0.0
    held = (known & (error < LOOSE * max(usual, FIRM))).astype(np.uint8)
    joined = cv2.morphologyEx(held, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    joined = cv2.morphologyEx(joined, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(joined)
    if count < 2:
        return np.ones((frame.height, frame.width), bool)
    amounts = np.bincount(labels[held > 0], minlength=count)
    rows, columns = np.nonzero(labels == 1 + int(np.argmax(amounts[1:])))
    size = CELL * HALF
    corners = np.concatenate([np.stack([columns + x, rows + y], 1) * size for x in (0, 1) for y in (0, 1)])
    surface = np.zeros((frame.height, frame.width), np.uint8)
    cv2.fillConvexPoly(surface, cv2.convexHull(corners.astype(np.int32)), (1,))
    return np.asarray(surface > 0)


def _find_gains(aligned: Sequence[Aligned], core: Flags) -> Doubles:
    """By what each channel of each photo (n, 3) is multiplied to be as bright as their median in the core.

    Levels give the first gains; then least squares over all of the core, odd pixels weighing less: bright
    print says most, where the level of a dark product's channel is mostly noise.
    """
    places = np.flatnonzero(core if core.any() else np.ones_like(core))
    places = places[:: max(1, len(places) // SAMPLES)]
    seen = np.stack([one.seen.ravel()[places] for one in aligned])
    shown = np.stack([one.pixels.reshape(-1, 3)[places] for one in aligned]).astype(np.float32)
    levels = np.stack(
        [
            np.median(values[own if own.any() else np.ones_like(own)], 0) + 1.0
            for values, own in zip(shown, seen, strict=True)
        ]
    )
    gains = (np.median(levels, 0) / levels).astype(np.float32)
    for _ in range(GAIN_ROUNDS):
        middle = np.median(shown * gains[:, None], 0)
        off = np.abs(shown * gains[:, None] - middle).max(2)
        usual = 1.5 * np.median(off, 1, keepdims=True) + 1.0
        weights = (seen / (1 + (off / usual) ** 2) ** 2)[..., None]
        energy = (weights * shown**2).sum(1)
        gains = np.where(energy > 0, (weights * shown * middle).sum(1) / np.maximum(energy, 1e-6), gains)
    return np.asarray(gains, np.float64)


def _middle(values: np.ndarray[tuple[int, ...], np.dtype[T]]) -> np.ndarray[tuple[int, ...], np.dtype[T]]:
    """The median over the last axis, the upper of two."""
    place = values.shape[-1] // 2
    return np.asarray(np.partition(values, place, axis=-1)[..., place])


def find_print(scatter: Floats, detail: Floats, seen: Flags, core: Flags) -> Flags:
    """Where the photos are alike (h, w): the product's print; its surroundings differ from photo to photo.

    Otsu's threshold of the logarithm of the scatter, and not far above what the core has; of several such
    places the one with most detail.
    """
    smooth = np.log(cv2.GaussianBlur(scatter, (0, 0), 2.0) + 1)
    if not seen.any():
        return seen
    low, high = float(smooth[seen].min()), float(smooth[seen].max())
    scaled = ((smooth - low) * (255 / max(high - low, 1e-6))).clip(0, 255).astype(np.uint8)
    otsu, _ = cv2.threshold(scaled[seen], 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    usual = np.exp(np.median(smooth[core & seen])) if (core & seen).any() else np.exp(high)
    limit = min(low + otsu / 255 * (high - low), np.log(3.5 * usual))
    alike = (seen & (smooth <= limit)).astype(np.uint8)
    for way, edge in ((cv2.MORPH_OPEN, 9), (cv2.MORPH_CLOSE, 61), (cv2.MORPH_OPEN, 45)):
        alike = cv2.morphologyEx(alike, way, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (edge, edge)))
    count, labels = cv2.connectedComponents(alike)
    if count < 2:
        return core & seen
    # Bare ground is alike everywhere: the print is where there is most to see.
    amounts = np.bincount(labels.ravel(), weights=detail.ravel(), minlength=count)
    return np.asarray(labels == 1 + int(np.argmax(amounts[1:])))
