"""The reference: what all genuine photos of a product have in common, made of them alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np

from assay_shared.appearance.alignment import (
    FRAME,
    HALF,
    Aligned,
    Frame,
    align_patch,
    find_patch_keypoints,
    make_frame,
)
from assay_shared.appearance.fineness import split_bands
from assay_shared.appearance.keypoints import Keypoints, find_homography, match_keypoints
from assay_shared.appearance.modes import learn_modes
from assay_shared.appearance.patches import Doubles, Flags, Floats, Patch, Pixels

T = TypeVar("T", bound=np.generic)

CANDIDATES, PROBES = 8, 14
SEEN_BY = 0.8
"""Share of the photos that must show a place for it to be judged."""
LEAST_ALIGNED = 8


@dataclass(frozen=True)
class Reference:
    """`pixels` uint8 (h, w, 3), the median of the aligned photos; `mask` (h, w), where the print is; `half`
    the pixels at half size; `bands` of the lightness (`fineness.split_bands`)."""

    pixels: Pixels
    mask: Flags
    frame: Frame
    half: Pixels
    bands: list[Floats]


def make_reference(pixels: Pixels, mask: Flags, modes: Floats) -> Reference:
    """A reference from what has to be kept of it."""
    frame = make_frame(pixels, mask, modes)
    half = cv2.resize(pixels, (frame.width // HALF, frame.height // HALF), interpolation=cv2.INTER_AREA)
    bands = split_bands(to_lightness(pixels.astype(np.float32)))
    return Reference(pixels, mask, frame, np.asarray(half, np.uint8), bands)


def to_lightness(picture: Floats) -> Floats:
    """Lightness (h, w) of RGB (h, w, 3): Rec. 601."""
    return np.asarray(cv2.transform(picture, np.array([[0.299, 0.587, 0.114]], np.float32)), np.float32)


@dataclass(frozen=True)
class Sources:
    """Patches with their keypoints."""

    patches: Sequence[Patch]
    keypoints: Sequence[Keypoints]


def read_sources(patches: Sequence[Patch]) -> Sources:
    """Patches with the keypoints that alignment needs, found once."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        return Sources(patches, list(threads.map(find_patch_keypoints, patches)))


def choose_seed(sources: Sources) -> int | None:
    """The patch that most others match best; None where none matches several others."""
    counts = np.array([len(one.points) for one in sources.keypoints])
    candidates = np.argsort(-counts)[:CANDIDATES]
    probes = np.random.default_rng(0).permutation(len(counts))[:PROBES]
    best, seed = 0.0, None
    for candidate in candidates:
        supports = []
        for probe in probes:
            if probe != candidate:
                pair = match_keypoints(sources.keypoints[probe], sources.keypoints[candidate])
                found = find_homography(*pair, 6.0)
                supports.append(0 if found is None else int(found[1].sum()))
        support = float(np.median(supports)) if supports else 0.0
        if support > best:
            best, seed = support, int(candidate)
    return seed


def start_frame(patch: Patch) -> tuple[Pixels, Frame]:
    """The frame that one patch makes by itself: all of it counts as print."""
    scale = FRAME / max(patch.pixels.shape[:2])
    size = tuple(round(edge * scale) // (2 * HALF * 8) * (2 * HALF * 8) for edge in patch.pixels.shape[1::-1])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    pixels = np.asarray(cv2.resize(patch.pixels, size, interpolation=way), np.uint8)
    return pixels, make_frame(pixels, np.ones(pixels.shape[:2], bool))


def merge(aligned: Sequence[Aligned], core: Flags) -> tuple[Pixels, Flags]:
    """The median of aligned photos (h, w, 3) after their light is made alike, where the print is
    (h, w).

    `core` (h, w) is where print is known to be: exposure and white balance are compared there.
    """
    seen = np.stack([one.seen for one in aligned])
    levels = np.stack([_find_level(one, core) for one in aligned])
    gains = np.median(levels, 0) / levels
    stack = np.stack(
        [
            np.clip(one.pixels * gain, 0, 255).astype(np.uint8)
            for one, gain in zip(aligned, gains, strict=True)
        ]
    )
    middle = np.empty(stack.shape[1:], np.uint8)
    scatter = np.empty(stack.shape[1:3], np.float32)
    for top in range(0, len(middle), 16):
        rows = slice(top, top + 16)
        # What few photos do not see does not move a median, and what many do not see is no print.
        part = np.ascontiguousarray(np.moveaxis(stack[:, rows], 0, -1))
        middle[rows] = _middle(part)
        apart = np.abs(part.astype(np.int16) - middle[rows][..., None]).sum(2, dtype=np.int16)
        scatter[rows] = _middle(apart) / 3
    return middle, find_print(scatter, seen.mean(0) >= SEEN_BY, core)


def _find_level(aligned: Aligned, core: Flags) -> Doubles:
    """The median of each channel (3,), plus one; of everything where nothing of the core is seen."""
    shown = aligned.seen & core
    return np.asarray(np.median(aligned.pixels[shown if shown.any() else np.ones_like(core)], 0) + 1.0)


def _middle(values: np.ndarray[tuple[int, ...], np.dtype[T]]) -> np.ndarray[tuple[int, ...], np.dtype[T]]:
    """The median over the last axis, the upper of two."""
    place = values.shape[-1] // 2
    return np.asarray(np.partition(values, place, axis=-1)[..., place])


def find_print(scatter: Floats, seen: Flags, core: Flags) -> Flags:
    """Where the photos are alike (h, w): the product's print; its surroundings differ from photo to photo.

    Otsu's threshold of the logarithm of the scatter, and not far above what the core has.
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
    count, labels, stats, _ = cv2.connectedComponentsWithStats(alike)
    if count < 2:
        return core & seen
    return np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))


def build_reference(sources: Sources) -> tuple[Reference, list[Aligned | None]] | None:
    """The reference of a product, and each patch aligned to it; None where too few align.

    First the frame of the best connected patch, then twice the median of what aligns to it, with the modes
    in which the photos differ.
    """
    seed = choose_seed(sources)
    if seed is None:
        return None
    pixels, frame = start_frame(sources.patches[seed])
    core = np.zeros(pixels.shape[:2], bool)
    height, width = pixels.shape[:2]
    core[height // 3 : -height // 3, width // 3 : -width // 3] = True
    aligned = align_all(sources, frame)
    for _ in range(2):
        good = [one for one in aligned if one is not None]
        if len(good) < LEAST_ALIGNED:
            return None
        pixels, mask = merge(good, core)
        # Before the print is known, what surrounds it would be learnt too.
        frame = make_frame(pixels, mask, frame.modes)
        aligned = align_all(sources, frame)
        modes = learn_modes(frame, [one for one in aligned if one is not None])
        if len(modes):
            frame = make_frame(pixels, mask, modes)
            aligned = align_all(sources, frame)
        core = mask
    # Made once more of what is aligned to it, as the references of the folds are made: a photo that is
    # compared with either meets the same sharpness.
    good = [one for one in aligned if one is not None]
    return make_reference(*merge(good, core), frame.modes), aligned


def align_all(sources: Sources, frame: Frame) -> list[Aligned | None]:
    """Every patch aligned to a frame, on all cores: OpenCV works outside of Python's lock."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        return list(
            threads.map(
                lambda one: align_patch(*one),
                [(p, frame, k) for p, k in zip(sources.patches, sources.keypoints, strict=True)],
            )
        )
