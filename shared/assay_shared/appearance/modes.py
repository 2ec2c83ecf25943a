"""How a product that is not rigid bends, a bag or a leaf, learnt from its photos: what no pose explains."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from assay_shared.appearance.alignment import Aligned
from assay_shared.appearance.frames import Frame
from assay_shared.appearance.patches import Doubles, Floats

MOST_MODES = 6
LEAST_GAIN = 0.04
"""Share by which one more mode must lower what is left of photos that it was not learnt from."""
FLAT = 0.35
"""Half pixels (root mean square) of residual under which the product is a plane and the rest is noise."""


def learn_modes(frame: Frame, aligned: Sequence[Aligned]) -> Floats:
    """Modes (k, gh, gw, 2) of unit spread that explain how genuine photos are displaced.

    Principal components of the displacement fields with their gaps filled in; as many as lower the residual
    of photos that they were not learnt from.
    """
    fields = np.stack([one.residual + np.tensordot(one.bend, frame.modes, 1) for one in aligned]).astype(
        float
    )
    weights = np.stack([one.weights for one in aligned]).astype(float) * (frame.texture > 0)
    n, rows, columns, _ = fields.shape
    flat, weight = fields.reshape(n, -1), np.repeat(weights.reshape(n, -1), 2, 1)
    half = np.arange(n) % 2 == 0
    none = np.zeros((0, flat.shape[1]))
    if n < 12 or _left(flat, weight, none) < FLAT:
        return np.zeros((0, rows, columns, 2), np.float32)
    smooth = np.stack([_fill(field, w) for field, w in zip(fields, weights, strict=True)]).reshape(n, -1)
    # Each half is explained by what the other taught.
    bases = [_components(smooth[~half]), _components(smooth[half])]
    best, count = _left(flat, weight, none), 0
    for k in range(1, MOST_MODES + 1):
        left = np.mean(
            [
                _left(flat[part], weight[part], basis[:k])
                for part, basis in zip((half, ~half), bases, strict=True)
            ]
        )
        if left > (1 - LEAST_GAIN) * best:
            break
        best, count = float(left), k
    return _components(smooth)[:count].reshape(count, rows, columns, 2).astype(np.float32)


def _components(fields: Doubles) -> Doubles:
    """Principal components of fields (n, d) about zero, scaled to their spread: (k, d)."""
    _, spread, axes = np.linalg.svd(fields, full_matrices=False)
    return np.asarray(axes[:MOST_MODES] * (spread[:MOST_MODES, None] / np.sqrt(len(fields))))


def _left(fields: Doubles, weights: Doubles, basis: Doubles) -> float:
    """Weighted root mean square (half pixels) of what a basis (k, d) leaves of fields (n, d)."""
    total, weight = 0.0, 0.0
    for field, w in zip(fields, weights, strict=True):
        rest = field
        if len(basis):
            normal = (basis * w) @ basis.T + 1e-2 * np.eye(len(basis)) * max(float(w.max()), 1e-6)
            rest = field - np.linalg.solve(normal, (basis * w) @ field) @ basis
        total += float((w * np.minimum(rest**2, 25.0)).sum())
        weight += float(w.sum())
    return float(np.sqrt(total / max(weight, 1e-9)))


def _fill(field: Doubles, weights: Doubles) -> Doubles:
    """A field (gh, gw, 2) smoothed over some cells, its gaps filled from around (normalised convolution)."""
    w = weights + 1e-4
    out = np.zeros_like(field)
    total = np.zeros_like(w)
    for sigma, share in ((1.2, 1.0), (4.0, 0.05), (14.0, 0.002)):
        blurred = cv2.GaussianBlur(w, (0, 0), sigma)
        out += share * cv2.GaussianBlur(field * w[..., None], (0, 0), sigma)
        total += share * blurred
    return np.asarray(out / total[..., None])
