"""One thing has one label: where two labels claim the same place, the surer one keeps it. Needs no torch.

Non-maximum suppression works label by label, so a genuine logo may also be found, less surely, as a copied
one. Evaluation and verdict both judge what is left here, so that a threshold means the same in both.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RIVAL_OVERLAP = 0.5
"""Intersection over union from which two boxes are about the same thing. A mark on a product stays far below:
its box is a small part of the product's."""


def find_unrivalled(
    boxes: npt.NDArray[np.float32], confidences: npt.NDArray[np.float32]
) -> npt.NDArray[np.intp]:
    """Which of N detections keep their place: indices, surest first; boxes (N, 4) xyxy in any one unit."""
    kept: list[int] = []
    for index in np.argsort(-confidences, kind="stable"):
        if not kept or _overlap(boxes[index], boxes[kept]).max() < RIVAL_OVERLAP:
            kept.append(int(index))
    return np.array(kept, np.intp)


def _overlap(box: npt.NDArray[np.float32], others: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.clip(sides, 0, None).prod(1)
    areas = np.clip(others[:, 2:] - others[:, :2], 0, None).prod(1)
    union = np.clip(box[2:] - box[:2], 0, None).prod() + areas - shared
    overlap: npt.NDArray[np.float32] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap
