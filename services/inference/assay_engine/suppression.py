"""Non-maximum suppression of many pictures at once: the results are those of `detector.postprocess`."""

from __future__ import annotations

import numpy as np
import torch

from assay_shared.detector.postprocess import IOU_LIMIT, MAX_DETECTIONS, MIN_CONFIDENCE, Detections
from assay_shared.detector.suppression import suppress_by_group

MOST_BOXES = 8192
"""In one suppression, unless one picture has more: its matrix has the square of them in bits, 8 MB."""


def find_in_rows(
    rows: torch.Tensor, min_confidence: float = MIN_CONFIDENCE, iou_limit: float = IOU_LIMIT
) -> list[Detections]:
    """The detections of each picture from rows (n, anchors, 6): box xyxy, confidence, label."""
    pictures, anchors = (rows[..., 4] > min_confidence).nonzero(as_tuple=True)
    kept = rows[pictures, anchors]
    counts = torch.bincount(pictures, minlength=len(rows)).tolist()
    found: list[Detections] = []
    start = first = 0
    while first < len(counts):
        last, end = first + 1, start + counts[first]
        while last < len(counts) and end - start + counts[last] <= MOST_BOXES:
            end += counts[last]
            last += 1
        found += _suppress(kept[start:end], pictures[start:end] - first, last - first, iou_limit)
        start, first = end, last
    return found


def _suppress(rows: torch.Tensor, pictures: torch.Tensor, count: int, iou_limit: float) -> list[Detections]:
    """Of `count` pictures whose surer rows (k, 6) are given, with the picture of each."""
    if len(rows):
        groups = pictures * (rows[:, 5].max() + 1) + rows[:, 5]
        order = suppress_by_group(rows[:, :4], rows[:, 4], groups, iou_limit)
        rows, pictures = rows[order], pictures[order]
    own, places = rows.cpu().numpy(), pictures.cpu().numpy()
    found = []
    for place in range(count):
        mine = own[places == place][:MAX_DETECTIONS]
        found.append(Detections(mine[:, :4].copy(), mine[:, 4].copy(), mine[:, 5].astype(np.int64)))
    return found
