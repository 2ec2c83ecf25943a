"""A lens that bends straight lines a little: from the pixels of an ideal camera to those of a real one."""

from dataclasses import dataclass

import numpy as np

from deploy.local.photos.geometry import Camera, Matrix
from deploy.local.photos.ink import Floats


@dataclass(frozen=True)
class Lens:
    """An ideal camera and its radial distortion: r' = r (1 + k r^2), r in half diagonals of the frame."""

    camera: Camera
    distortion: float

    def project(self, points: Matrix) -> Matrix:
        """Return Nx2 pixels of Nx3 package points."""
        centre, half = self._centre()
        offset = (self.camera.project(points) - centre) / half
        return np.asarray(
            centre + half * offset * (1 + self.distortion * (offset**2).sum(axis=1, keepdims=True))
        )

    def straighten(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return where the ideal camera sees what is at pixels (x, y), arrays that broadcast."""
        centre, half = self._centre()
        dx = np.asarray((x - centre[0]) / half, np.float32)
        dy = np.asarray((y - centre[1]) / half, np.float32)
        distant = dx * dx + dy * dy
        # Two steps of the fixed point leave less than 0.01 pixel at the distortions used here.
        square = distant / (1 + np.float32(self.distortion) * distant) ** 2
        square = distant / (1 + np.float32(self.distortion) * square) ** 2
        scale = np.float32(half) / (1 + np.float32(self.distortion) * square)
        straight = (centre[0] + dx * scale, centre[1] + dy * scale)
        return np.asarray(straight[0], np.float32), np.asarray(straight[1], np.float32)

    def _centre(self) -> tuple[Matrix, float]:
        size = np.array([self.camera.width, self.camera.height], np.float64)
        return size / 2, float(np.hypot(*size)) / 2
