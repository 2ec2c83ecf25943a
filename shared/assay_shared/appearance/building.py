"""A product's reference built from its genuine photos: seed, relief, print and modes in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from assay_shared.appearance.alignment import Aligned, align_patch, find_patch_keypoints
from assay_shared.appearance.frames import (
    FRAME,
    HALF,
    Frame,
    find_cells,
    find_relief,
    full_to_half,
    make_frame,
)
from assay_shared.appearance.keypoints import Keypoints, find_homography, match_keypoints
from assay_shared.appearance.merging import find_surface, merge
from assay_shared.appearance.modes import learn_modes
from assay_shared.appearance.patches import Doubles, Floats, Patch, Pixels
from assay_shared.appearance.poses import project, see_plane
from assay_shared.appearance.reference import Reference, make_reference
from assay_shared.appearance.relief import Points, learn_relief, measure_relief
from assay_shared.appearance.threads import map_on_cores
from assay_shared.appearance.views import measure_scale

CANDIDATES, PROBES = 8, 14
LEAST_ALIGNED = 8
NEAR = 25.0
"""Pixels of the reduced patch off a plane up to which a match may be one of what stands off it."""


@dataclass(frozen=True)
class Sources:
    """Patches with their keypoints."""

    patches: Sequence[Patch]
    keypoints: Sequence[Keypoints]


def read_sources(patches: Sequence[Patch]) -> Sources:
    """Patches with the keypoints that alignment needs, found once."""
    return Sources(patches, map_on_cores(find_patch_keypoints, patches))


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
    frame = replace(frame, relief=_start_relief(sources, frame))
    surface = np.ones(pixels.shape[:2], bool)
    aligned = align_all(sources, frame)
    for _ in range(2):
        good = [one for one in aligned if one is not None]
        if len(good) < LEAST_ALIGNED:
            return None
        pixels, mask = merge(good, core)
        mask &= surface
        # Before the print is known, what surrounds it would be learnt too.
        frame = make_frame(pixels, mask, frame.relief, frame.modes)
        aligned = align_all(sources, frame)
        relief = _learn_relief(frame, [one for one in aligned if one is not None])
        if relief.any():
            frame = make_frame(pixels, mask, relief)
            aligned = align_all(sources, frame)
            surface &= find_surface(frame, [one for one in aligned if one is not None])
            mask &= surface
            frame = make_frame(pixels, mask, relief)
        modes = learn_modes(frame, [one for one in aligned if one is not None])
        if len(modes):
            frame = make_frame(pixels, mask, frame.relief, modes)
            aligned = align_all(sources, frame)
        core = mask
    # Made once more of what is aligned to it, as the references of the folds are made: a photo that is
    # compared with either meets the same sharpness.
    good = [one for one in aligned if one is not None]
    pixels, alike = merge(good, core)
    return make_reference(pixels, alike & surface, alike, frame.relief, frame.modes), aligned


def _start_relief(sources: Sources, frame: Frame) -> Floats:
    """The relief (gh, gw) that the photos' keypoints show."""
    views = []
    for keypoints in sources.keypoints:
        seen, places = match_keypoints(keypoints, frame.keypoints)
        found = find_homography(seen, places, 6.0)
        if found is not None:
            plane, nil = see_plane(np.asarray(np.linalg.inv(found[0]))), np.zeros(len(places))
            near = np.linalg.norm(project(plane, places.astype(float), nil) - seen, axis=1) < NEAR
            at, there = places[near].astype(float), seen[near].astype(float)
            views.append(Points(at, there, np.ones(len(at)), measure_scale(plane, frame)))
    return _spread_relief(learn_relief(views, frame.width // HALF, frame.height // HALF), frame)


def _learn_relief(frame: Frame, aligned: Sequence[Aligned]) -> Floats:
    """The relief (gh, gw) that aligned photos show, by their flow."""
    views, cells = [], find_cells(frame)
    for one in aligned:
        found = cells + (one.residual + np.tensordot(one.bend, frame.modes, 1)).reshape(-1, 2)
        use = one.weights.ravel() > 1e-3
        pose = one.pose @ np.linalg.inv(full_to_half())
        seen = project(pose, found[use], find_relief(frame, found[use]))
        weights = one.weights.ravel()[use].astype(np.float64)
        views.append(Points(cells[use], seen, weights, measure_scale(pose, frame)))
    return _spread_relief(learn_relief(views, frame.width // HALF, frame.height // HALF), frame)


def _spread_relief(polynomial: Doubles | None, frame: Frame) -> Floats:
    if polynomial is None:
        return np.zeros_like(frame.texture)
    found = measure_relief(polynomial, find_cells(frame), frame.width // HALF, frame.height // HALF)
    return np.asarray(found.reshape(frame.texture.shape), np.float32)


def align_all(sources: Sources, frame: Frame) -> list[Aligned | None]:
    """Every patch aligned to a frame."""
    return map_on_cores(
        lambda one: align_patch(one[0], frame, one[1]),
        zip(sources.patches, sources.keypoints, strict=True),
    )
