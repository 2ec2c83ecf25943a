"""How the surface of a product is seen in a picture: a plane and the parallax of what stands off it.

Every view of one rigid surface maps (x, y, 1, r) to picture pixels by a (3, 4) matrix, its pose: (x, y) is a
place in the frame, r the surface's relief there, which is one for all views (relative affine structure:
Shashua and Navab 1996). The first three columns are the homography of the plane that touches the surface
where the relief is 0; without relief they are all there is.
"""

from __future__ import annotations

import numpy as np

from assay_shared.appearance.patches import Doubles

_ROUNDS = 6
_RIDGE = 1e-9
_RELIEF_RIDGE = 1e-5
"""Of the fourth column: what a view shows too little of the relief to tell is left to the plane."""


def see_plane(homography: Doubles) -> Doubles:
    """The pose (3, 4) of a view that has this homography (3, 3) from the frame, and no parallax."""
    return np.asarray(np.c_[homography, np.zeros(3)], np.float64)


def project(pose: Doubles, places: Doubles, relief: Doubles) -> Doubles:
    """Where places (n, 2) of the frame with a relief (n,) are seen: (n, 2)."""
    seen = places @ pose[:, :2].T + pose[:, 2] + relief[:, None] * pose[:, 3]
    depth = np.where(np.abs(seen[:, 2:]) < 1e-9, 1e-9, seen[:, 2:])
    return np.asarray(seen[:, :2] / depth)


def fit_pose(places: Doubles, relief: Doubles, seen: Doubles, weights: Doubles, scale: float) -> Doubles:
    """The pose (3, 4) that maps places (n, 2) with a relief (n,) to where they are `seen` (n, 2) best, by
    weighted least squares with Geman-McClure's weights for residuals of more than `scale` picture pixels
    (direct linear transform)."""
    from_places, from_seen = _normalise(places), _normalise(seen)
    s, t = _apply(from_places, places), _apply(from_seen, seen)
    height = float(np.abs(relief).max(initial=0.0))
    x, y, u, v = s[:, 0], s[:, 1], t[:, 0], t[:, 1]
    one, nil = np.ones_like(x), np.zeros_like(x)
    across = [x, y, one, nil, nil, nil, -u * x, -u * y]
    along = [nil, nil, nil, x, y, one, -v * x, -v * y]
    ridge = np.full(8, _RIDGE)
    if height > 0:
        r = relief / height
        across, along = [*across, r, nil, -u * r], [*along, nil, r, -v * r]
        ridge = np.append(ridge, np.full(3, _RELIEF_RIDGE * float(weights.sum())))
    rows = np.concatenate([np.stack(across, 1), np.stack(along, 1)])
    wanted = np.concatenate([u, v])
    robust = np.ones(len(x))
    found = np.eye(3, 4)
    for _ in range(_ROUNDS):
        weighted = (rows * np.tile(weights * robust, 2)[:, None]).T
        solved = np.linalg.solve(weighted @ rows + np.diag(ridge), weighted @ wanted)
        found = np.c_[np.append(solved[:8], 1).reshape(3, 3), solved[8:] if height > 0 else np.zeros(3)]
        error = ((project(found, s, relief / height if height > 0 else relief) - t) ** 2).sum(1)
        robust = 1 / (1 + error / (from_seen[0, 0] * scale) ** 2) ** 2
    plane = np.linalg.inv(from_seen) @ found[:, :3] @ from_places
    parallax = np.linalg.inv(from_seen) @ found[:, 3] / max(height, 1e-12)
    return np.asarray(np.c_[plane, parallax] / plane[2, 2])


def _normalise(points: Doubles) -> Doubles:
    """The similarity (3, 3) that brings points (n, 2) to mean 0 and spread 1."""
    shift, size = points.mean(0), max(float(points.std()), 1e-6)
    return np.array([[1 / size, 0, -shift[0] / size], [0, 1 / size, -shift[1] / size], [0, 0, 1.0]])


def _apply(similarity: Doubles, points: Doubles) -> Doubles:
    return np.asarray(points * similarity[0, 0] + similarity[:2, 2])
