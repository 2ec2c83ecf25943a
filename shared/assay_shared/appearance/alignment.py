"""A patch brought into the frame of the reference: what pose and camera explain is taken away."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from assay_shared.appearance.frames import (
    FRAME,
    HALF,
    Frame,
    average_cells,
    find_cells,
    find_relief,
    full_to_half,
    normalise_locally,
)
from assay_shared.appearance.keypoints import (
    LEAST_INLIERS,
    Keypoints,
    find_homography,
    find_keypoints,
    is_plausible,
    match_keypoints,
)
from assay_shared.appearance.patches import Doubles, Flags, Floats, Patch, Pixels, to_grey
from assay_shared.appearance.poses import fit_pose, project, see_plane
from assay_shared.appearance.views import bring_patch, list_places, look_through, measure_scale

LEAST_AGREEMENT = 0.25
"""Local correlation with the reference, averaged over textured cells, of an alignment that is one."""
LEAST_CELLS = 40
SURE = 1.0
"""Half pixels from which on a cell's displacement counts as another's, not as noise."""
_FLOW = cv2.DISOPTICAL_FLOW_PRESET_FAST
_MOST_FLOW = 14.0
_WIDENING = (16.0, 8.0, 4.0)


@dataclass(frozen=True)
class Aligned:
    """A patch in the frame.

    `pixels` uint8 (height, width, 3); `seen` whether a frame pixel lies within the photo; `pose`
    (3, 4) from the full frame to photo pixels (`poses`), `bend` (k,) how far each mode was needed; `residual`
    (gh, gw, 2) in half pixels, what neither explains, with its `weights` (gh, gw); `agreement` local
    correlation; `density` photo pixels a frame pixel.
    """

    pixels: Pixels
    seen: Flags
    pose: Doubles
    bend: Floats
    residual: Floats
    weights: Floats
    agreement: float
    density: float


def find_patch_keypoints(patch: Patch) -> Keypoints:
    """The keypoints of a patch, in pixels of its reduction to FRAME / HALF."""
    return find_keypoints(to_grey(patch.pixels, FRAME // HALF)[0])


def align_patch(
    patch: Patch, frame: Frame, keypoints: Keypoints | None = None, rounds: int = 2
) -> Aligned | None:
    """Aligns a patch; None where it does not show what the frame shows.

    Keypoints give the first pose, dense flow at every textured place refines it; what is left is explained
    by the frame's modes as far as they can, and never by anything else.
    """
    grey, scale = to_grey(patch.pixels, FRAME // HALF)
    seen, places = match_keypoints(keypoints or find_keypoints(grey), frame.keypoints)
    found = find_homography(seen, places, 6.0)
    if found is None:
        return None
    pose = see_plane(np.asarray(np.linalg.inv(found[0])))
    if frame.relief.any():
        pose = _widen(pose, places.astype(np.float64), seen.astype(np.float64), frame)
    bend = np.zeros(len(frame.modes), np.float32)
    for _ in range(rounds):
        flow, weights = _measure_flow(grey, pose, bend, frame)
        pose, bend, residual = _absorb(pose, bend, flow, weights, frame)
    agreement = float(weights.sum() / max(float(frame.texture.sum()), 1e-6))
    middle = np.array([[0, 0], [grey.shape[1], grey.shape[0]]], np.float32)
    homography = np.asarray(np.linalg.inv(pose[:, :3]))
    if agreement < LEAST_AGREEMENT or not is_plausible(homography, middle * 0.6 + 0.2 * middle[1]):
        return None
    to_patch = np.diag([1 / scale, 1 / scale, 1.0]) @ pose @ full_to_half()
    pixels, shown, density = bring_patch(patch, to_patch, bend, frame)
    to_photo = patch.to_photo() @ to_patch
    return Aligned(
        pixels, shown, to_photo / to_photo[2, 2], bend, residual, weights, agreement,
        density / patch.scale,
    )  # fmt: skip


def _widen(pose: Doubles, places: Doubles, seen: Doubles, frame: Frame) -> Doubles:
    """The pose that explains as many matches (n, 2) as it can, starting from those near one plane."""
    relief = find_relief(frame, places)
    for pixels in _WIDENING:
        near = np.linalg.norm(project(pose, places, relief) - seen, axis=1) < pixels
        if int(near.sum()) < LEAST_INLIERS:
            break
        pose = fit_pose(places[near], relief[near], seen[near], np.ones(int(near.sum())), pixels / 4)
    return pose


def _measure_flow(grey: Pixels, pose: Doubles, bend: Floats, frame: Frame) -> tuple[Floats, Floats]:
    """Where each cell of the frame lies in the patch, seen through pose and bend: displacement
    (gh, gw, 2) in half pixels, and how much each cell is to be believed (gh, gw)."""
    height, width = frame.grey.shape
    seen = look_through(grey, pose, bend, frame, 1)
    normal = normalise_locally(seen)
    flow = _dense_flow(frame.grey, normal)
    x, y = list_places(width, height)
    matched = cv2.remap(normal, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
    one, other = frame.grey.astype(np.float32) - 128, np.asarray(matched, np.float32) - 128
    agreement = average_cells(one * other) / np.maximum(
        np.sqrt(average_cells(one * one) * average_cells(other * other)), 60.0
    )
    cells = np.stack([average_cells(flow[..., 0]), average_cells(flow[..., 1])], -1)
    believed = np.clip(agreement, 0, 1) * (np.linalg.norm(cells, axis=-1) < _MOST_FLOW)
    if len(bend):
        cells = cells + np.tensordot(bend, frame.modes, 1)
    return cells.astype(np.float32), (frame.texture * believed).astype(np.float32)


def _absorb(
    pose: Doubles, bend: Floats, flow: Floats, weights: Floats, frame: Frame
) -> tuple[Doubles, Floats, Floats]:
    """Pose and bend that explain the flow, and what they leave (gh, gw, 2)."""
    rows, columns = weights.shape
    places, w = find_cells(frame), weights.reshape(-1).astype(np.float64)
    use = w > 1e-3
    if int(use.sum()) < LEAST_CELLS:
        return pose, bend, flow
    moved = flow.reshape(-1, 2).astype(np.float64)
    basis = frame.modes.reshape(len(frame.modes), rows * columns, 2).astype(np.float64)
    bends = bend.astype(np.float64)
    seen = project(pose, places + moved, find_relief(frame, places + moved))
    scale = SURE * measure_scale(pose, frame)
    for _ in range(2 if len(basis) else 1):
        bent = places + np.tensordot(bends, basis, 1)
        pose = fit_pose(bent[use], find_relief(frame, bent[use]), seen[use], w[use], scale)
        moved = _find_places(pose, seen, bent, frame) - places
        if len(basis):
            bends = _fit_bend(moved[use], basis[:, use], w[use])
    left = moved - np.tensordot(bends, basis, 1) if len(basis) else moved
    return pose, bends.astype(np.float32), left.reshape(rows, columns, 2).astype(np.float32)


def _find_places(pose: Doubles, seen: Doubles, start: Doubles, frame: Frame) -> Doubles:
    """The places (n, 2) that a pose shows where they are `seen` (n, 2): Newton's steps from a start."""
    places = start
    for _ in range(2):
        now = project(pose, places, find_relief(frame, places))
        slopes = np.stack(
            [
                project(pose, places + step, find_relief(frame, places + step))
                - project(pose, places - step, find_relief(frame, places - step))
                for step in np.eye(2)
            ],
            -1,
        )  # fmt: skip
        a, b, c, d = slopes[:, 0, 0], slopes[:, 0, 1], slopes[:, 1, 0], slopes[:, 1, 1]
        lacks = 2 * (seen - now)
        area = a * d - b * c
        area = np.where(np.abs(area) < 1e-9, 1e-9, area)
        step = np.stack([d * lacks[:, 0] - b * lacks[:, 1], a * lacks[:, 1] - c * lacks[:, 0]], 1)
        places = places + np.clip(step / area[:, None], -_MOST_FLOW, _MOST_FLOW)
    return places


def _fit_bend(moved: Doubles, basis: Doubles, weights: Doubles) -> Doubles:
    """How far each mode is needed (k,), by robust least squares with a prior of unit spread."""
    rows = basis.transpose(1, 2, 0).reshape(-1, len(basis))
    robust = np.ones(len(weights))
    bend: Doubles = np.zeros(len(basis))
    for _ in range(5):
        w = np.repeat(weights * robust, 2)
        weighted = (rows * w[:, None]).T
        normal = weighted @ rows
        prior = np.eye(len(basis)) * (SURE**2 / 9) * float(w.max(initial=1.0))
        bend = np.asarray(np.linalg.solve(normal + prior, weighted @ moved.reshape(-1)), np.float64)
        left = ((moved - (rows @ bend).reshape(-1, 2)) ** 2).sum(1)
        robust = 1 / (1 + left / SURE**2) ** 2
    return bend


def _dense_flow(one: Pixels, other: Pixels) -> Floats:
    flow = np.zeros((*one.shape, 2), np.float32)
    return np.asarray(cv2.DISOpticalFlow.create(_FLOW).calc(one, other, flow), np.float32)
