"""Which detections are right: boxes matched by overlap, and the average precision that follows."""

from __future__ import annotations

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
    """The confidence from which a label counts as found: the middle of the widest range in which F1 is within
    one standard error of the best.

    The rule of one standard error (Breiman and others, Classification and Regression Trees, 1984) keeps one
    odd detection among a handful of held-out boxes from moving the threshold to the edge of what is genuine;
    with many boxes the range is that of the best F1 alone. Nothing found or nothing there: 0.5. Kept between
    0.15 and 0.95, for held-out pictures say little of the ends.
    """
    if not boxes or not right.any():
        return 0.5
    edges = np.concatenate(([lowest], np.unique(confidences), [1.0]))
    scores = np.array([_f1(right, confidences, boxes, high) for high in edges[1:]])
    enough = scores >= scores.max() - standard_error(float(scores.max()), boxes) - 1e-9
    widest, middle, start = -1.0, 0.5, 0
    for place, good in enumerate(enough):
        if not good:
            start = place + 1
        elif (width := float(edges[place + 1] - edges[start])) > widest:
            widest, middle = width, float(edges[place + 1] + edges[start]) / 2
    return float(np.clip(middle, 0.15, 0.95))


def standard_error(f1: float, boxes: int) -> float:
    """How far an F1 over so many true boxes may be off by chance, F1 taken as a share of them: by Agresti and
    Coull (1998), two hits and two misses added, for the plain formula gives 0 where all were found."""
    share = (f1 * boxes + 2) / (boxes + 4)
    return float(np.sqrt(share * (1 - share) / (boxes + 4)))


def _f1(right: npt.NDArray[np.bool_], confidences: Floats, boxes: int, threshold: float) -> float:
    kept = confidences >= threshold
    return 2 * int(right[kept].sum()) / (int(kept.sum()) + boxes)
