"""Whether a flat face has its proportions, from how it is seen in perspective (Zhang 2000, section 3.1).

The homographies of many genuine photos of one plane determine which shape it has; each further photo then
says by what factor its face is stretched against that shape. No data of the camera is needed: its focal
length is free, with a prior from the genuine photos, and its pixels are square.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from assay_shared.appearance.alignment import Aligned
from assay_shared.appearance.patches import Doubles, Patch

Errors = Callable[[Doubles], Doubles]

NOISE = 0.01
"""Standard deviation of the two constraints of a view, from detection noise."""
_STEP = 1e-5


@dataclass(frozen=True)
class Plane:
    """`shape` (4,): shear, log of the stretch, and two perspective terms that map the frame to the true
    face; `focal` and `focal_spread`: mean and spread of the log of the focal length in photo long sides."""

    shape: Doubles
    focal: float
    focal_spread: float


def to_view(aligned: Aligned, patch: Patch, width: int, height: int) -> Doubles:
    """The homography (3, 3) from the centred frame to the centred photo, both with a long side of 1."""
    frame = np.array([[max(width, height), 0, width / 2], [0, max(width, height), height / 2], [0, 0, 1.0]])
    side = max(patch.photo_width, patch.photo_height)
    photo = np.array(
        [
            [1 / side, 0, -patch.photo_width / 2 / side],
            [0, 1 / side, -patch.photo_height / 2 / side],
            [0, 0, 1],
        ]
    )
    view = photo @ aligned.pose[:, :3] @ frame
    return np.asarray(view / np.cbrt(np.linalg.det(view)))


def fit_plane(views: Doubles) -> Plane:
    """The plane of homographies (n, 3, 3), by Levenberg and Marquardt with robust weights."""
    n = len(views)
    unknowns = np.zeros(4 + n)

    def errors(at: Doubles) -> Doubles:
        return np.concatenate([_constraints(views, at[:4], at[4:]).ravel() / NOISE, at[4:] / 0.3])

    unknowns = _minimise(errors, unknowns, robust=True)
    focals = unknowns[4:]
    return Plane(unknowns[:4], float(np.median(focals)), max(0.1, float(np.std(focals))))


def measure_stretch(view: Doubles, plane: Plane) -> tuple[float, float]:
    """The log of a face's stretch (0 for the true proportions) and its standard deviation."""

    def errors(at: Doubles) -> Doubles:
        shape = plane.shape + np.array([0, at[1], 0, 0])
        pair = _constraints(view[None], shape, at[:1])[0]
        return np.append(pair / NOISE, (at[0] - plane.focal) / plane.focal_spread)

    starts = [np.array([plane.focal + shift, 0.0]) for shift in (-0.25, 0.0, 0.25)]
    found = min(
        (_minimise(errors, start, robust=False) for start in starts),
        key=lambda at: float((errors(at) ** 2).sum()),
    )
    slopes = _slopes(errors, found)
    spread = np.linalg.inv(slopes.T @ slopes + 1e-9 * np.eye(2))
    return float(found[1]), float(np.sqrt(spread[1, 1]))


def _constraints(views: Doubles, shape: Doubles, focals: Doubles) -> Doubles:
    """For each view, how far its two axes are from perpendicular and from equally long: (n, 2)."""
    shear, stretch, across, along = shape
    true = np.linalg.inv(np.array([[1, shear, 0], [0, np.exp(stretch), 0], [across, along, 1]]))
    both = views @ true
    scale = np.exp(-focals)[:, None] * np.array([1.0, 1.0, 0.0]) + np.array([0, 0, 1.0])
    a, b = both[:, :, 0] * scale, both[:, :, 1] * scale
    aa, bb, ab = (a * a).sum(1), (b * b).sum(1), (a * b).sum(1)
    return np.stack([ab / np.sqrt(aa * bb), np.log(aa / bb) / 2], 1)


def _minimise(errors: Errors, at: Doubles, *, robust: bool) -> Doubles:
    damping = 1e-2

    def weigh(rest: Doubles) -> Doubles:
        return 1 / np.sqrt(1 + (rest / 2) ** 2) if robust else np.ones_like(rest)

    rest = errors(at)
    cost = float((2 * (np.sqrt(1 + rest**2) - 1)).sum()) if robust else float((rest**2).sum())
    for _ in range(30):
        slopes = _slopes(errors, at)
        weights = weigh(rest)
        normal = slopes.T @ (slopes * weights[:, None])
        step = np.linalg.solve(
            normal + damping * np.diag(np.diag(normal) + 1e-9), -slopes.T @ (weights * rest)
        )
        tried = errors(at + step)
        new = float((2 * (np.sqrt(1 + tried**2) - 1)).sum()) if robust else float((tried**2).sum())
        if new < cost:
            done = cost - new < 1e-7 * (1 + cost)
            at, rest, cost, damping = at + step, tried, new, damping / 5
            if done:
                break
        else:
            damping *= 8
            if damping > 1e8:
                break
    return at


def _slopes(errors: Errors, at: Doubles) -> Doubles:
    base = errors(at)
    columns = []
    for i in range(len(at)):
        moved = at.copy()
        moved[i] += _STEP
        columns.append((errors(moved) - base) / _STEP)
    return np.stack(columns, 1)
