"""Where a package stands before the camera, and where its points fall in the picture.

Package coordinates: x to the right and y down along the front, z away from the viewer, the front's centre
at the origin, the front's longer edge 1 long. Camera coordinates: x right, y down, z ahead.
"""

from dataclasses import dataclass, replace
from math import cos, radians, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from deploy.local.photos.ink import Floats

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera looking at a package: focal length in pixels, rotation (3x3), offset (3)."""

    focal: float
    width: int
    height: int
    rotation: Matrix
    offset: Matrix

    def project(self, points: object) -> Matrix:
        """Return Nx2 pixels of Nx3 package points."""
        seen = np.asarray(points, np.float64).reshape(-1, 3) @ self.rotation.T + self.offset
        depth = np.maximum(seen[:, 2:], 1e-3)
        return self.focal * seen[:, :2] / depth + (self.width / 2, self.height / 2)

    def plane(self, origin: object, right: object, down: object) -> Matrix:
        """Return the 3x3 homography to pixels from (u, v), the point origin + u right + v down."""
        columns = [
            self.rotation @ np.asarray(right, np.float64),
            self.rotation @ np.asarray(down, np.float64),
        ]
        columns.append(self.rotation @ np.asarray(origin, np.float64) + self.offset)
        lens = np.array([[self.focal, 0, self.width / 2], [0, self.focal, self.height / 2], [0, 0, 1]])
        return np.asarray(lens @ np.stack(columns, axis=1), np.float64)

    def faces(self, point: object, normal: object) -> bool:
        """Tell whether a face through `point` with outward `normal` shows its printed side."""
        seen = self.rotation @ np.asarray(point, np.float64) + self.offset
        return bool(seen @ (self.rotation @ np.asarray(normal, np.float64)) < 0)


@dataclass(frozen=True)
class Solid:
    """The box around a package, in package units: width, height, depth."""

    width: float
    height: float
    depth: float

    @property
    def corners(self) -> Matrix:
        """Return the 8 corners, the 4 of the front first, clockwise from top left."""
        x, y = self.width / 2, self.height / 2
        front = np.array([(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)], np.float64)
        return np.concatenate([front, np.add(front, (0, 0, self.depth))])


def aim(
    solid: Solid,
    size: tuple[int, int],
    angles: tuple[float, float, float],
    lens: float,
    fill: float,
    shift: tuple[float, float],
) -> Camera:
    """Aim a camera so that the package fills `fill` of the frame's height (at most 0.94 of its width).

    `size` is the frame's (width, height); `angles` are pitch, yaw and roll in degrees; `lens` the focal
    length in units of the frame's longer edge; `shift` (-1 to 1 each) moves the package within the room
    that the frame leaves.
    """
    pitch, yaw, roll = (radians(angle) for angle in angles)
    about_x = np.array([[1, 0, 0], [0, cos(pitch), -sin(pitch)], [0, sin(pitch), cos(pitch)]])
    about_y = np.array([[cos(yaw), 0, sin(yaw)], [0, 1, 0], [-sin(yaw), 0, cos(yaw)]])
    about_z = np.array([[cos(roll), -sin(roll), 0], [sin(roll), cos(roll), 0], [0, 0, 1]])
    width, height = size
    camera = Camera(lens * max(size), width, height, about_z @ about_x @ about_y, np.array([0.0, 0.0, 3.0]))
    for _ in range(6):
        spot = camera.project(solid.corners)
        spread = np.ptp(spot, axis=0)
        scale = min(fill * height / spread[1], 0.94 * width / spread[0])
        room = np.maximum((np.array(size) - spread * scale) / 2, 0)
        error = (spot.min(axis=0) + spot.max(axis=0)) / 2 - (width / 2, height / 2) - room * np.array(shift)
        depth = camera.offset[2]
        offset = np.array(
            [
                camera.offset[0] - error[0] * depth / camera.focal,
                camera.offset[1] - error[1] * depth / camera.focal,
                depth / scale,
            ]
        )
        offset[:2] /= scale
        camera = replace(camera, offset=offset)
    return camera


def visible_box(outline: Floats, width: int, height: int) -> tuple[tuple[int, int, int, int] | None, float]:
    """Return the tight pixel box (left, top, width, height) of a convex outline within the frame.

    The second value is how much of the outline's area lies within; the box is None when nothing does.
    """
    hull = cv2.convexHull(np.asarray(outline, np.float32)).reshape(-1, 2).astype(np.float64)
    # Not cv2.intersectConvexConvex: it gets the area wrong when a corner lies on the frame's edge.
    points = hull
    for axis, limit, sign in ((0, 0, 1), (0, width, -1), (1, 0, 1), (1, height, -1)):
        points = _cut(points, sign * (points[:, axis] - limit))
    area = _area(points)
    if area <= 1:
        return None, 0.0
    left, top = np.clip(np.floor(points.min(axis=0)), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(points.max(axis=0)), (left + 1, top + 1), (width, height)).astype(int)
    return (int(left), int(top), int(right - left), int(bottom - top)), area / _area(hull)


def _cut(points: Matrix, inside: Matrix) -> Matrix:
    """Keep the part of a convex polygon where `inside`, linear along its edges, is not negative."""
    kept = []
    for here, there, depth, next_depth in zip(
        points, np.roll(points, -1, axis=0), inside, np.roll(inside, -1), strict=True
    ):
        if depth >= 0:
            kept.append(here)
        if (depth >= 0) != (next_depth >= 0):
            kept.append(here + (there - here) * (depth / (depth - next_depth)))
    return np.array(kept, np.float64).reshape(-1, 2)


def _area(points: Matrix) -> float:
    x, y = points.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
