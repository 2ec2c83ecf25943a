"""Which detections are right: boxes matched by overlap, and the average precision that follows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay_shared.detector.overlap import measure_overlap

IOU_LEVELS = np.linspace(0.5, 0.95, 10)
"""The overlaps of mAP50-95 (COCO)."""
RECALLS = np.linspace(0, 1, 101)
"""Where the precision-recall curve is read (COCO)."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Found:
    """What was found in one picture and what is there; boxes xyxy (N, 4) in the same pixels."""

    boxes: Floats
    confidences: Floats
    labels: npt.NDArray[np.int64]
    true_boxes: Floats
    true_labels: npt.NDArray[np.int64]


def match(found: Found, levels: npt.NDArray[np.float64] = IOU_LEVELS) -> npt.NDArray[np.bool_]:
    """Which detections are right at each overlap level: (N, levels).

    Strongest first, each takes the free true box of its label that it overlaps most (Pascal VOC, COCO).
    """
    right = np.zeros((len(found.confidences), len(levels)), bool)
    if not len(found.confidences) or not len(found.true_labels):
        return right
    overlap = measure_overlap(found.boxes, found.true_boxes)
    overlap[found.labels[:, None] != found.true_labels[None]] = 0
    for column, level in enumerate(levels):
        free = np.ones(len(found.true_labels), bool)
        for row in np.argsort(-found.confidences, kind="stable"):
            candidates = np.where(free, overlap[row], 0)
            best = int(candidates.argmax())
            if candidates[best] >= level:
                right[row, column] = True
                free[best] = False
    return right


def average_precision(right: npt.NDArray[np.bool_], confidences: Floats, boxes: int) -> float:
    """Area under the precision-recall curve of one label at one level, interpolated at 101 recalls (COCO).

    `boxes` is how many true boxes there are, more than none.
    """
    order = np.argsort(-confidences, kind="stable")
    hits = np.cumsum(right[order])
    recall, precision = hits / boxes, hits / np.arange(1, len(order) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(envelope, 0.0)[places].mean())


def choose_threshold(right: npt.NDArray[np.bool_], confidences: Floats, boxes: int, lowest: float) -> float:
    """The confidence from which a label counts as found: the middle of the widest range with the best F1.

    Nothing found or nothing there: 0.5. Kept between 0.15 and 0.95, for a few held-out pictures say little of
    the ends.
    """
    if not boxes or not right.any():
        return 0.5
    steps = np.concatenate(([lowest], np.sort(confidences), [1.0]))
    best: tuple[float, float, float] = (-1.0, -1.0, 0.5)
    for low, high in itertools.pairwise(steps):
        kept = confidences >= high
        hits = int(right[kept].sum())
        f1 = 2 * hits / (int(kept.sum()) + boxes)
        best = max(best, (round(f1, 9), float(high - low), float(low + high) / 2))
    return float(np.clip(best[2], 0.15, 0.95))
