"""Surfaces that carry a print, in package coordinates (deploy.local.photos.geometry).

A surface's (u, v) run from 0 to 1 over its print, to the right and down.
"""

from dataclasses import dataclass
from math import pi, tau
from typing import Protocol

import numpy as np

from deploy.local.photos.geometry import Camera, Matrix
from deploy.local.photos.ink import Floats

_AMBIENT = 0.52
_GRID = 64


class Surface(Protocol):
    """What the painter has to know of a surface."""

    def trace(self, camera: Camera, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return (u, v) of what is seen at pixels (x, y), arrays of one shape."""

    def points(self, uv: Matrix) -> Matrix:
        """Return Nx3 points of Nx2 (u, v)."""

    def rim(self) -> Matrix:
        """Return Nx3 points around what is seen of the surface, in order."""

    def faces(self, camera: Camera) -> bool:
        """Tell whether its printed side is seen at all."""

    def normals(self) -> Matrix:
        """Return the outward unit normals on a grid over (u, v), rows x columns x 3."""


def shade(surface: Surface, light: Matrix) -> Floats:
    """Return how bright a grid over (u, v) is when lit from the direction `light` (Lambert and ambience)."""
    return np.asarray(_AMBIENT + (1 - _AMBIENT) * 1.25 * np.maximum(0, surface.normals() @ light), np.float32)


@dataclass(frozen=True)
class Plane:
    """A flat face: its top left corner and the vectors to the right and down that span it."""

    origin: tuple[float, float, float]
    right: tuple[float, float, float]
    down: tuple[float, float, float]
    round: bool = False

    def trace(self, camera: Camera, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Apply the inverse homography."""
        inverse = np.linalg.inv(camera.plane(self.origin, self.right, self.down))
        a, b, c = ((row[0] * x + row[1] * y + row[2]) for row in inverse.astype(np.float32))
        return a / c, b / c

    def points(self, uv: Matrix) -> Matrix:
        """Return points of the plane."""
        across, along = uv[:, :1] * np.asarray(self.right), uv[:, 1:] * np.asarray(self.down)
        return np.asarray(np.asarray(self.origin) + across + along, np.float64)

    def rim(self) -> Matrix:
        """Return the four corners, or a circle."""
        if self.round:
            turn = np.linspace(0, tau, 96, endpoint=False)
            return self.points(np.stack([0.5 + 0.5 * np.cos(turn), 0.5 + 0.5 * np.sin(turn)], axis=1))
        return self.points(np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64))

    def faces(self, camera: Camera) -> bool:
        """Compare the normal with the line of sight."""
        return camera.faces(self.origin, self._normal())

    def normals(self) -> Matrix:
        """Return one normal everywhere."""
        return np.asarray(np.broadcast_to(self._normal(), (2, 2, 3)), np.float64)

    def _normal(self) -> Matrix:
        normal = np.cross(self.down, self.right)
        return np.asarray(normal / np.linalg.norm(normal), np.float64)


@dataclass(frozen=True)
class Bent:
    """Paper about the plane z = 0: a bow of height `bow` along one axis and a soft fold across it.

    `along` is 0 for a bow over u, 1 for one over v; the fold at `fold_at` (0 to 1) turns by `fold` (height
    per unit of length). Heights are small against the width, and points towards the viewer are negative.
    """

    width: float
    height: float
    along: int
    bow: float
    fold_at: float
    fold: float

    def trace(self, camera: Camera, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Cut the ray with the plane at the depth found last, until it does not move any more."""
        eye, rays = cast_rays(camera, x, y)
        depth: Floats = np.zeros_like(x)
        u, v = depth, depth
        for _ in range(4):
            reach = (depth - eye[2]) / rays[2]
            u = (eye[0] + reach * rays[0]) / np.float32(self.width) + np.float32(0.5)
            v = (eye[1] + reach * rays[1]) / np.float32(self.height) + np.float32(0.5)
            depth = self._depth(v if self.along else u)
        return u, v

    def points(self, uv: Matrix) -> Matrix:
        """Return points of the paper."""
        x, y = (uv[:, 0] - 0.5) * self.width, (uv[:, 1] - 0.5) * self.height
        return np.stack([x, y, self._depth(uv[:, self.along])], axis=1)

    def rim(self) -> Matrix:
        """Return the four edges, finely divided."""
        t = np.linspace(0, 1, 40, endpoint=False)
        zero, one = np.zeros_like(t), np.ones_like(t)
        edges = [np.stack(edge, axis=1) for edge in ((t, zero), (one, t), (1 - t, one), (zero, 1 - t))]
        return self.points(np.concatenate(edges))

    def faces(self, camera: Camera) -> bool:
        """Paper is only ever shown from its printed side."""
        return True

    def normals(self) -> Matrix:
        """Return normals from the slope along the bow, with a fine enough grid for the fold."""
        t = (np.arange(4 * _GRID) + 0.5) / (4 * _GRID)
        slope = np.gradient(self._depth(t), t) / (self.height if self.along else self.width)
        normal = np.zeros((len(t), 3))
        normal[:, 1 if self.along else 0], normal[:, 2] = slope, -1
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        return np.repeat(normal[:, None], 2, axis=1) if self.along else np.repeat(normal[None], 2, axis=0)

    def _depth(self, t: Floats | Matrix) -> Floats:
        bow = 4 * self.bow * t * (1 - t)
        beyond = np.hypot(t - self.fold_at, 0.012) + (t - self.fold_at)
        return np.asarray(-bow - self.fold / 2 * beyond, t.dtype)


@dataclass(frozen=True)
class Frustum:
    """The side of a cylinder or cone about the vertical through (0, axis), from `top` (y) down to `bottom`.

    Its print spans the angle `arc` (radians), its middle turned by `turn` to the right of the viewer.
    """

    axis: float
    top: float
    bottom: float
    top_radius: float
    bottom_radius: float
    arc: float = pi
    turn: float = 0.0

    def trace(self, camera: Camera, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Cut the ray with the cone; a ray that passes it by gets the nearest point of the silhouette."""
        eye, (right, down, ahead) = cast_rays(camera, x, y)
        slope = (self.bottom_radius - self.top_radius) / (self.bottom - self.top)
        radius = np.float32(self.top_radius + slope * (eye[1] - self.top))
        z, k = np.float32(eye[2] - self.axis), np.float32(slope)
        square = right * right + ahead * ahead - (k * down) ** 2
        square = np.where(np.abs(square) < 1e-6, np.float32(1e-6), square)
        cross = eye[0] * right + z * ahead - k * radius * down
        rest = eye[0] ** 2 + z * z - radius * radius
        root = np.sqrt(np.maximum(cross * cross - square * rest, 0))
        reach = (-cross - root) / square
        angle = np.arctan2(eye[0] + reach * right, -(z + reach * ahead))
        v = (eye[1] + reach * down - np.float32(self.top)) / np.float32(self.bottom - self.top)
        return (angle - np.float32(self.turn)) / np.float32(self.arc) + np.float32(0.5), v

    def points(self, uv: Matrix) -> Matrix:
        """Return points of the side."""
        angle = (uv[:, 0] - 0.5) * self.arc + self.turn
        radius = self.top_radius + (self.bottom_radius - self.top_radius) * uv[:, 1]
        y = self.top + (self.bottom - self.top) * uv[:, 1]
        return np.stack([radius * np.sin(angle), y, self.axis - radius * np.cos(angle)], axis=1)

    def rim(self) -> Matrix:
        """Return both circles whole: what is seen of the solid is within their hull."""
        turn = np.linspace(0, 1, 128, endpoint=False)
        whole = Frustum(self.axis, self.top, self.bottom, self.top_radius, self.bottom_radius, tau)
        ends = [np.stack([turn, np.full_like(turn, v)], axis=1) for v in (0.0, 1.0)]
        return whole.points(np.concatenate(ends))

    def faces(self, camera: Camera) -> bool:
        """The side of a standing solid is always seen."""
        return True

    def normals(self) -> Matrix:
        """Return normals, which change over u only."""
        angle = ((np.arange(_GRID) + 0.5) / _GRID - 0.5) * self.arc + self.turn
        slope = (self.bottom_radius - self.top_radius) / (self.bottom - self.top)
        normal = np.stack([np.sin(angle), np.full_like(angle, -slope), -np.cos(angle)], axis=1)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        return np.repeat(normal[None], 2, axis=0)


def cast_rays(camera: Camera, x: Floats, y: Floats) -> tuple[Floats, tuple[Floats, Floats, Floats]]:
    """Return the camera's place (3) and the direction's three parts at pixels (x, y), in package units."""
    eye = (-camera.rotation.T @ camera.offset).astype(np.float32)
    across = (x - np.float32(camera.width / 2)) / np.float32(camera.focal)
    along = (y - np.float32(camera.height / 2)) / np.float32(camera.focal)
    back = camera.rotation.T.astype(np.float32)
    rays = tuple(row[0] * across + row[1] * along + row[2] for row in back)
    return eye, (rays[0], rays[1], rays[2])
