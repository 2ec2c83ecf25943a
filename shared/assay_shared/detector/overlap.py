"""How much boxes cover each other. Needs no torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def measure_overlap(left: npt.NDArray[np.float32], right: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Intersection over union of every pair: (N, M) for (N, 4) and (M, 4)."""
    top = np.maximum(left[:, None, :2], right[None, :, :2])
    bottom = np.minimum(left[:, None, 2:], right[None, :, 2:])
    shared = np.clip(bottom - top, 0, None).prod(2)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(1) for boxes in (left, right)]
    union = areas[0][:, None] + areas[1][None] - shared
    overlap: npt.NDArray[np.float32] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap
