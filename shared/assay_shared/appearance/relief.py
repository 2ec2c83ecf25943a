"""The relief of a product that is no plane, learnt from where its genuine photos show its print.

It is smooth: a polynomial over the frame, without the part that is a plane. Poses and polynomial explain
each other in turn (alternating least squares), beginning with a surface that is round about either axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay_shared.appearance.patches import Doubles
from assay_shared.appearance.poses import fit_pose, project

DEGREE = 6
POWERS = tuple((i, k - i) for k in range(2, DEGREE + 1) for i in range(k + 1))
ROUNDS = 8
MOST_POINTS = 500
"""Of a view: enough for the 11 + 25 unknowns."""
LEAST_VIEWS, LEAST_POINTS = 12, 20
LEAST_GAIN = 0.15
"""Share by which a relief must lower what a plane leaves of photos that it was not learnt from."""
FLAT = 0.35
"""Half frame pixels (root mean square) that a plane may leave, under which the product is one."""
_SURE = 1.0
_MOST = 5.0
_RIDGE = 1e-4


@dataclass(frozen=True)
class Points:
    """What one view shows: `places` (n, 2) in half frame pixels, `seen` (n, 2) in picture pixels, `weights`
    (n,), `scale` picture pixels a half frame pixel."""

    places: Doubles
    seen: Doubles
    weights: Doubles
    scale: float


def learn_relief(views: Sequence[Points], width: int, height: int) -> Doubles | None:
    """The polynomial (p,) of a frame of width x height half pixels; None where a plane explains the views as
    well, or where they are too few."""
    views = [_thin(view) for view in views if len(view.places) >= LEAST_POINTS]
    if len(views) < LEAST_VIEWS:
        return None
    grid = [_spread(view.places, width, height) for view in views]
    none = np.zeros(len(POWERS))
    flat = _leave(views, grid, none)
    if flat < FLAT:
        return None
    halves = [range(0, len(views), 2), range(1, len(views), 2)]
    left = []
    for learnt, asked in (halves, halves[::-1]):
        relief = _fit([views[i] for i in learnt], [grid[i] for i in learnt])
        left.append(_leave([views[i] for i in asked], [grid[i] for i in asked], relief))
    if np.mean(left) > (1 - LEAST_GAIN) * flat:
        return None
    return _fit(views, grid)


def measure_relief(polynomial: Doubles, places: Doubles, width: int, height: int) -> Doubles:
    """The relief (n,) at places (n, 2) of a frame of width x height half pixels."""
    return np.asarray(_spread(places, width, height) @ polynomial)


def _spread(places: Doubles, width: int, height: int) -> Doubles:
    """The powers (n, p) of places (n, 2), from the middle of the frame in shares of its half; beyond the
    frame they stay as they are at its edge."""
    x = np.clip(2 * (places[:, 0] + 0.5) / width - 1, -1, 1)
    y = np.clip(2 * (places[:, 1] + 0.5) / height - 1, -1, 1)
    return np.stack([x**i * y**j for i, j in POWERS], 1)


def _thin(view: Points) -> Points:
    if len(view.places) <= MOST_POINTS:
        return view
    kept = np.random.default_rng(0).permutation(len(view.places))[:MOST_POINTS]
    return Points(view.places[kept], view.seen[kept], view.weights[kept], view.scale)


def _fit(views: Sequence[Points], grid: Sequence[Doubles]) -> Doubles:
    starts = [np.array([float(power == start) for power in POWERS]) for start in ((2, 0), (0, 2))]
    found = [_alternate(views, grid, start, ROUNDS // 4) for start in starts]
    best = min(found, key=lambda one: _leave(views, grid, one))
    return _alternate(views, grid, best, ROUNDS)


def _alternate(views: Sequence[Points], grid: Sequence[Doubles], relief: Doubles, rounds: int) -> Doubles:
    for _ in range(rounds):
        normal, wanted = np.zeros((len(POWERS), len(POWERS))), np.zeros(len(POWERS))
        for view, powers in zip(views, grid, strict=True):
            r = powers @ relief
            pose = _fit_pose(view, r)
            # seen * depth = plane + relief * parallax, solved for the relief.
            plane = view.places @ pose[:, :2].T + pose[:, 2]
            depth = plane[:, 2] + r * pose[2, 3]
            error = project(pose, view.places, r) - view.seen
            robust = 1 / (1 + (error**2).sum(1) / (_SURE * view.scale) ** 2) ** 2
            for axis in (0, 1):
                slope = (pose[axis, 3] - view.seen[:, axis] * pose[2, 3]) / (depth * view.scale)
                lacks = (view.seen[:, axis] * plane[:, 2] - plane[:, axis]) / (depth * view.scale)
                weighted = powers * (view.weights * robust * slope)[:, None]
                normal += weighted.T @ (powers * slope[:, None])
                wanted += weighted.T @ lacks
        ridge = _RIDGE * float(np.trace(normal)) / len(POWERS) + 1e-12
        found = np.linalg.solve(normal + ridge * np.eye(len(POWERS)), wanted)
        relief = np.asarray(found / max(float(np.linalg.norm(found)), 1e-12), np.float64)
    return relief


def _fit_pose(view: Points, relief: Doubles) -> Doubles:
    return fit_pose(view.places, relief, view.seen, view.weights, _SURE * view.scale)


def _leave(views: Sequence[Points], grid: Sequence[Doubles], relief: Doubles) -> float:
    """Weighted root mean square (half frame pixels) of what a relief leaves of the views."""
    total, weight = 0.0, 0.0
    for view, powers in zip(views, grid, strict=True):
        r = powers @ relief
        error = ((project(_fit_pose(view, r), view.places, r) - view.seen) ** 2).sum(1) / view.scale**2
        total += float((view.weights * np.minimum(error, _MOST**2)).sum())
        weight += float(view.weights.sum())
    return float(np.sqrt(total / max(weight, 1e-9)))
