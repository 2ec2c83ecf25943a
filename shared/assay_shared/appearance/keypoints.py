"""Keypoints of a picture and the homography between two pictures of one product."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from assay_shared.appearance.patches import Doubles, Flags, Floats, Pixels

MOST = 1200
CONTRAST = 0.02
"""Half of OpenCV's default: packages have faint print."""
RATIO = 0.85
"""Lowe's ratio of the best to the second distance; geometry sorts out what it lets through."""
LEAST_INLIERS = 12
"""Genuine flat packages had at least 78 inliers, genuine cans 16, other products none."""


@dataclass(frozen=True)
class Keypoints:
    """`points` (n, 2) in pixels, `descriptors` (n, 128), of unit length (RootSIFT: Arandjelovic 2012)."""

    points: Floats
    descriptors: Floats


def find_keypoints(grey: Pixels, mask: Pixels | None = None) -> Keypoints:
    """SIFT keypoints of grey values (h, w), within a mask of 0 and 255."""
    found, descriptors = cv2.SIFT.create(MOST, contrastThreshold=CONTRAST).detectAndCompute(grey, mask)
    if descriptors is None or not len(found):
        return Keypoints(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32))
    roots = np.sqrt(descriptors / np.maximum(descriptors.sum(1, keepdims=True), 1e-9))
    return Keypoints(np.array([one.pt for one in found], np.float32), roots.astype(np.float32))


def match_keypoints(one: Keypoints, other: Keypoints) -> tuple[Floats, Floats]:
    """Points that are each other's nearest and clearly nearer than the second: (m, 2) and (m, 2)."""
    none = np.zeros((0, 2), np.float32)
    if len(one.points) < 4 or len(other.points) < 4:
        return none, none
    likeness = one.descriptors @ other.descriptors.T
    best = likeness.argmax(1)
    rows = np.arange(len(best))
    first = likeness[rows, best]
    mutual = likeness.argmax(0)[best] == rows
    likeness[rows, best] = -1
    second = likeness.max(1)
    # Distances of unit vectors: d^2 = 2 - 2 cos.
    clear = (2 - 2 * first) < RATIO**2 * np.maximum(2 - 2 * second, 1e-9)
    kept = mutual & clear
    return one.points[kept], other.points[best[kept]]


def find_homography(source: Floats, target: Floats, pixels: float) -> tuple[Doubles, Flags] | None:
    """The homography (3, 3) from source to target points, and which of them it maps to within `pixels`.

    None where it is not well supported, mirrors, or folds the picture.
    """
    if len(source) < LEAST_INLIERS:
        return None
    found, inliers = cv2.findHomography(
        source, target, cv2.USAC_MAGSAC, pixels, maxIters=2000, confidence=0.999
    )
    if found is None or int(inliers.sum()) < LEAST_INLIERS:
        return None
    flags = inliers.ravel() > 0
    if not is_plausible(np.asarray(found, np.float64), source[flags]):
        return None
    return np.asarray(found, np.float64), np.asarray(flags)


def is_plausible(homography: Doubles, points: Floats) -> bool:
    """Whether a view could look so: nothing mirrored or behind the camera where the points are, and no
    direction squeezed to less than a fifth of the other."""
    h = homography / homography[2, 2]
    low, high = points.min(0), points.max(0)
    corners = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    depth = corners @ h[2, :2] + 1
    if (depth < 0.2).any() or depth.max() / depth.min() > 4:
        return False
    x, y = corners.mean(0)
    w = h[2, 0] * x + h[2, 1] * y + 1
    u, v = (h[0] @ [x, y, 1]) / w, (h[1] @ [x, y, 1]) / w
    jacobian = (
        np.array(
            [[h[0, 0] - u * h[2, 0], h[0, 1] - u * h[2, 1]], [h[1, 0] - v * h[2, 0], h[1, 1] - v * h[2, 1]]]
        )
        / w
    )
    stretch = np.linalg.svd(jacobian, compute_uv=False)
    return bool(np.linalg.det(jacobian) > 0 and stretch[1] > 0.2 * stretch[0])


def refit_homography(source: Doubles, target: Doubles, weights: Doubles, scale: float) -> Doubles:
    """The homography (3, 3) that maps source to target points (n, 2) best, by weighted least squares with
    Geman-McClure's weights for residuals of more than `scale` pixels (direct linear transform)."""
    shift, size = target.mean(0), max(float(target.std()), 1e-6)
    norm = np.array([[1 / size, 0, -shift[0] / size], [0, 1 / size, -shift[1] / size], [0, 0, 1]])
    s, t = (source - shift) / size, (target - shift) / size
    x, y, u, v = s[:, 0], s[:, 1], t[:, 0], t[:, 1]
    one, nil = np.ones_like(x), np.zeros_like(x)
    rows = np.concatenate(
        [
            np.stack([x, y, one, nil, nil, nil, -u * x, -u * y], 1),
            np.stack([nil, nil, nil, x, y, one, -v * x, -v * y], 1),
        ]
    )
    wanted = np.concatenate([u, v])
    robust = np.ones(len(x))
    found = np.eye(3)
    for _ in range(6):
        weighted = (rows * np.tile(weights * robust, 2)[:, None]).T
        solved = np.linalg.solve(weighted @ rows + 1e-9 * np.eye(8), weighted @ wanted)
        found = np.append(solved, 1).reshape(3, 3)
        depth = s @ found[2, :2] + 1
        mapped = (np.c_[s, one] @ found[:2].T) / np.where(np.abs(depth) < 1e-6, 1e-6, depth)[:, None]
        error = ((mapped - t) ** 2).sum(1) * size**2
        robust = 1 / (1 + error / scale**2) ** 2
    return np.asarray(np.linalg.inv(norm) @ found @ norm)
