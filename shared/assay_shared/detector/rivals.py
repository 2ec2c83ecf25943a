"""One thing has one label: where two labels claim the same place, the surer one keeps it. Needs no torch.

Non-maximum suppression works label by label, so a genuine logo may also be found, less surely, as a copied
one. Evaluation and verdict both judge what is left here, so that a threshold means the same in both.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay_shared.detector.overlap import measure_overlap

RIVAL_OVERLAP = 0.5
"""Intersection over union from which two boxes are about the same thing. A mark on a product stays far below:
its box is a small part of the product's."""


def find_unrivalled(
    boxes: npt.NDArray[np.float32], confidences: npt.NDArray[np.float32]
) -> npt.NDArray[np.intp]:
    """Which of N detections keep their place: indices, surest first; boxes (N, 4) xyxy in any one unit."""
    kept: list[int] = []
    for index in np.argsort(-confidences, kind="stable"):
        if not kept or measure_overlap(boxes[[index]], boxes[kept]).max() < RIVAL_OVERLAP:
            kept.append(int(index))
    return np.array(kept, np.intp)
