"""A patch brought into the frame of the reference: what pose and camera explain is taken away."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from assay_shared.appearance.keypoints import (
    Keypoints,
    find_homography,
    find_keypoints,
    is_plausible,
    match_keypoints,
    refit_homography,
)
from assay_shared.appearance.patches import Doubles, Flags, Floats, Patch, Pixels, to_grey

FRAME = 960
"""Pixels of the frame's long side."""
HALF = 2
"""Keypoints and flow work at half of the frame's size."""
CELL = 8
"""Edge of a cell of the flow's grid, in pixels of the half frame."""
LEAST_AGREEMENT = 0.25
"""Local correlation with the reference, averaged over textured cells, of an alignment that is one."""
LEAST_CELLS = 40
SURE = 1.0
"""Half pixels from which on a cell's displacement counts as another's, not as noise."""
_FLOW = cv2.DISOPTICAL_FLOW_PRESET_FAST
_MOST_FLOW = 14.0


@dataclass(frozen=True)
class Frame:
    """What patches are aligned to.

    `grey` uint8 (h, w), the reference at half size, locally normalised; `keypoints` in its pixels; `texture`
    (gh, gw), how much there is to hold on to in each cell, 0 outside of the print; `modes` (k, gh, gw, 2),
    the displacements in half pixels that pose causes where the product is no plane, each of unit spread;
    `width` and `height` of the full frame.
    """

    grey: Pixels
    keypoints: Keypoints
    texture: Floats
    modes: Floats
    width: int
    height: int


@dataclass(frozen=True)
class Aligned:
    """A patch in the frame.

    `pixels` uint8 (height, width, 3); `seen` whether a frame pixel lies within the photo; `homography`
    (3, 3) from the full frame to photo pixels, `bend` (k,) how far each mode was needed; `residual`
    (gh, gw, 2) in half pixels, what neither explains, with its `weights` (gh, gw); `agreement` local
    correlation; `density` photo pixels a frame pixel.
    """

    pixels: Pixels
    seen: Flags
    homography: Doubles
    bend: Floats
    residual: Floats
    weights: Floats
    agreement: float
    density: float


def make_frame(pixels: Pixels, print_mask: Flags, modes: Floats | None = None) -> Frame:
    """The frame of a reference (h, w, 3) whose print is where the mask (h, w) says."""
    height, width = print_mask.shape
    half = (width // HALF, height // HALF)
    small = np.asarray(cv2.resize(pixels, half, interpolation=cv2.INTER_AREA), np.uint8)
    grey, _ = to_grey(small)
    inside = np.asarray(
        cv2.resize(print_mask.astype(np.uint8), half, interpolation=cv2.INTER_NEAREST), np.uint8
    )
    near = np.asarray(cv2.dilate(inside, np.ones((9, 9), np.uint8)) * 255, np.uint8)
    normal = normalise_locally(grey)
    if modes is None:
        modes = np.zeros((0, half[1] // CELL, half[0] // CELL, 2), np.float32)
    return Frame(normal, find_keypoints(grey, near), _measure_texture(normal, inside), modes, width, height)


def normalise_locally(grey: Pixels) -> Pixels:
    """Grey values with mean 128 and standard deviation 45 around every pixel: blind to light."""
    values = grey.astype(np.float32)
    rest = values - cv2.blur(values, (25, 25))
    spread = np.sqrt(cv2.blur(rest * rest, (25, 25)) + 40.0)
    return np.asarray(np.clip(128 + 45 * rest / spread, 0, 255), np.uint8)


def find_patch_keypoints(patch: Patch) -> Keypoints:
    """The keypoints of a patch, in pixels of its reduction to FRAME / HALF."""
    return find_keypoints(to_grey(patch.pixels, FRAME // HALF)[0])


def align_patch(
    patch: Patch, frame: Frame, keypoints: Keypoints | None = None, rounds: int = 2
) -> Aligned | None:
    """Aligns a patch; None where it does not show what the frame shows.

    Keypoints give the first homography, dense flow at every textured place refines it; what is left is
    explained by the frame's modes as far as they can, and never by anything else.
    """
    grey, scale = to_grey(patch.pixels, FRAME // HALF)
    found = find_homography(*match_keypoints(keypoints or find_keypoints(grey), frame.keypoints), 6.0)
    if found is None:
        return None
    homography, _ = found
    bend = np.zeros(len(frame.modes), np.float32)
    for _ in range(rounds):
        flow, weights = _measure_flow(grey, homography, bend, frame)
        homography, bend, residual = _absorb(homography, bend, flow, weights, frame)
    agreement = float(weights.sum() / max(float(frame.texture.sum()), 1e-6))
    middle = np.array([[0, 0], [grey.shape[1], grey.shape[0]]], np.float32)
    if agreement < LEAST_AGREEMENT or not is_plausible(homography, middle * 0.6 + 0.2 * middle[1]):
        return None
    to_patch = np.diag([1 / scale, 1 / scale, 1.0]) @ np.linalg.inv(homography) @ _full_to_half()
    pixels, seen, density = bring_patch(patch, to_patch, bend, frame)
    to_photo = patch.to_photo() @ to_patch
    return Aligned(
        pixels, seen, to_photo / to_photo[2, 2], bend, residual, weights, agreement,
        density / patch.scale,
    )  # fmt: skip


def displace(modes: Floats, bend: Floats, width: int, height: int) -> Floats:
    """The displacement (height, width, 2) in half pixels of every place of a frame of that size."""
    field = np.tensordot(bend, modes, 1).astype(np.float32)
    return np.asarray(cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _measure_flow(grey: Pixels, homography: Doubles, bend: Floats, frame: Frame) -> tuple[Floats, Floats]:
    """Where each cell of the frame lies in the patch, seen through homography and bend: displacement
    (gh, gw, 2) in half pixels, and how much each cell is to be believed (gh, gw)."""
    height, width = frame.grey.shape
    seen = _look_through(grey, np.asarray(np.linalg.inv(homography)), bend, frame, 1)
    normal = normalise_locally(seen)
    flow = _dense_flow(frame.grey, normal)
    x, y = _places(width, height)
    matched = cv2.remap(normal, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
    one, other = frame.grey.astype(np.float32) - 128, np.asarray(matched, np.float32) - 128
    agreement = _to_cells(one * other) / np.maximum(
        np.sqrt(_to_cells(one * one) * _to_cells(other * other)), 60.0
    )
    cells = np.stack([_to_cells(flow[..., 0]), _to_cells(flow[..., 1])], -1)
    believed = np.clip(agreement, 0, 1) * (np.linalg.norm(cells, axis=-1) < _MOST_FLOW)
    if len(bend):
        cells = cells + np.tensordot(bend, frame.modes, 1)
    return cells.astype(np.float32), (frame.texture * believed).astype(np.float32)


def _absorb(
    homography: Doubles, bend: Floats, flow: Floats, weights: Floats, frame: Frame
) -> tuple[Doubles, Floats, Floats]:
    """Homography and bend that explain the flow, and what they leave (gh, gw, 2)."""
    rows, columns = weights.shape
    x, y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
    places = np.stack([x, y], -1).reshape(-1, 2) * CELL - 0.5
    use = weights.reshape(-1) > 1e-3
    if int(use.sum()) < LEAST_CELLS:
        return homography, bend, flow
    moved = flow.reshape(-1, 2).astype(np.float64)
    basis = frame.modes.reshape(len(frame.modes), rows * columns, 2).astype(np.float64)
    w = weights.reshape(-1)[use].astype(np.float64)
    bends = bend.astype(np.float64)
    for _ in range(2 if len(basis) else 1):
        plain = moved - np.tensordot(bends, basis, 1)
        update = refit_homography((places + plain)[use], places[use], w, SURE)
        homography = update @ homography
        moved = np.asarray(
            cv2.perspectiveTransform((places + moved)[:, None], update)[:, 0] - places, np.float64
        )
        if len(basis):
            bends = _fit_bend(moved[use], basis[:, use], w)
    left = moved - np.tensordot(bends, basis, 1) if len(basis) else moved
    return (
        homography / homography[2, 2],
        bends.astype(np.float32),
        left.reshape(rows, columns, 2).astype(np.float32),
    )


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


def bring_patch(patch: Patch, to_patch: Doubles, bend: Floats, frame: Frame) -> tuple[Pixels, Flags, float]:
    """The patch's pixels in the full frame (h, w, 3), which of them it holds (h, w), and patch pixels a frame
    pixel; `to_patch` (3, 3) maps the bent frame's pixels to the patch's."""
    size = (frame.width, frame.height)
    middle = np.array(
        [[[size[0] / 2, size[1] / 2]], [[size[0] / 2 + 8, size[1] / 2]], [[size[0] / 2, size[1] / 2 + 8]]]
    )
    a, b, c = cv2.perspectiveTransform(middle, to_patch)[:, 0]
    u, v = (b - a) / 8, (c - a) / 8
    density = float(np.sqrt(max(1e-6, abs(u[0] * v[1] - u[1] * v[0]))))
    source = patch.pixels
    if density > 1.15:
        source = np.asarray(cv2.GaussianBlur(source, (0, 0), 0.45 * np.sqrt(density**2 - 1) + 0.05), np.uint8)
    pixels = _look_through(source, to_patch, bend, frame, HALF)
    whole = np.full(source.shape[:2], 255, np.uint8)
    whole[[0, -1]] = 0
    whole[:, [0, -1]] = 0
    seen = cv2.warpPerspective(whole, to_patch, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    return pixels, np.asarray(seen > 0), density


def _look_through(source: Pixels, to_source: Doubles, bend: Floats, frame: Frame, factor: int) -> Pixels:
    """A picture as the frame shows it, at half size (`factor` 1) or full (HALF): `to_source` maps the bent
    frame's pixels to the picture's."""
    height, width = (factor * edge for edge in frame.grey.shape)
    if not len(bend):
        plain = cv2.warpPerspective(
            source, to_source, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        return np.asarray(plain, np.uint8)
    x, y = _places(width, height)
    moved = displace(frame.modes, bend, width, height) * factor
    spots = np.stack([x + moved[..., 0], y + moved[..., 1]], -1).reshape(-1, 1, 2)
    at = cv2.perspectiveTransform(spots, to_source).reshape(height, width, 2)
    bent = cv2.remap(source, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(bent, np.uint8)


def _dense_flow(one: Pixels, other: Pixels) -> Floats:
    flow = np.zeros((*one.shape, 2), np.float32)
    return np.asarray(cv2.DISOpticalFlow.create(_FLOW).calc(one, other, flow), np.float32)


def _to_cells(values: Floats) -> Floats:
    """The mean of each cell."""
    rows, columns = values.shape[0] // CELL, values.shape[1] // CELL
    cut = values[: rows * CELL, : columns * CELL]
    return np.asarray(cv2.resize(cut, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)


def _measure_texture(normal: Pixels, inside: Pixels) -> Floats:
    """How much there is to hold on to in each cell: the lesser eigenvalue of the structure tensor."""
    smooth = cv2.GaussianBlur(normal, (0, 0), 1.0).astype(np.float32)
    dx, dy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    a, b, c = _to_cells(dx * dx), _to_cells(dy * dy), _to_cells(dx * dy)
    lesser = (a + b) / 2 - np.sqrt((a - b) ** 2 / 4 + c**2)
    share = _to_cells(inside.astype(np.float32))
    strong = np.sqrt(np.maximum(lesser, 0)) * share
    usual = float(np.percentile(strong[share > 0.5], 75)) if (share > 0.5).any() else 1.0
    return np.asarray(np.minimum(strong / max(usual, 1e-6), 1.0), np.float32)


def _places(width: int, height: int) -> tuple[Floats, Floats]:
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.asarray(x, np.float32), np.asarray(y, np.float32)


def _full_to_half() -> Doubles:
    """From full to half frame pixels; pixel centres are at whole numbers."""
    return np.array([[1 / HALF, 0, 0.5 / HALF - 0.5], [0, 1 / HALF, 0.5 / HALF - 0.5], [0, 0, 1.0]])
