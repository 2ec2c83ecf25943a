"""From the head's output to detections: decode, threshold, class-wise non-maximum suppression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from assay_shared.detector.suppression import suppress_by_group

MAX_DETECTIONS = 300
"""Most detections of one picture, ultralytics' default."""
IOU_LIMIT = 0.7
"""Overlap above which the weaker of two boxes of a label goes, ultralytics' default for prediction."""
MIN_CONFIDENCE = 0.05
"""What is kept at all; thresholds by label are the caller's, and never lie below this."""


@dataclass(frozen=True)
class Detections:
    """What was found in one picture, strongest first: boxes (N, 4) xyxy in input pixels, confidences (N,),
    label indices (N,)."""

    boxes: npt.NDArray[np.float32]
    confidences: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.confidences)


def find_detections(
    raw: torch.Tensor, min_confidence: float = MIN_CONFIDENCE, iou_limit: float = IOU_LIMIT
) -> list[Detections]:
    """The detections of each picture of a batch, from raw output (B, 4 + labels, anchors).

    Each anchor speaks for its strongest label, as in ultralytics' prediction.
    """
    return [_find_in_one(picture, min_confidence, iou_limit) for picture in raw.float().transpose(1, 2)]


def _find_in_one(anchors: torch.Tensor, min_confidence: float, iou_limit: float) -> Detections:
    confidences, labels = anchors[:, 4:].max(1)
    kept = confidences > min_confidence
    centre, half = anchors[kept, :2], anchors[kept, 2:4] / 2
    boxes = torch.cat((centre - half, centre + half), 1)
    return _suppress(boxes, confidences[kept], labels[kept], iou_limit)


def find_detections_in_levels(
    levels: Sequence[npt.NDArray[np.float32]],
    projection: npt.NDArray[np.float32],
    strides: Sequence[int],
    min_confidence: float = MIN_CONFIDENCE,
    iou_limit: float = IOU_LIMIT,
) -> list[Detections]:
    """The detections of each picture of a batch, from the head before its boxes are decoded.

    Of each level (B, h, w, 4 * bins + labels): the logits of the four distances from the cell's middle to
    the box's sides, by bin, then those of the labels. `projection` (bins,) holds each bin's distance in
    cells, `strides` each level's pixels a cell. The arithmetic is that of ultralytics' head, in fp32, but
    only for what is surer than `min_confidence`; the results are those of `find_detections`.
    """
    bins = len(projection)
    pictures, boxes, confidences, labels = [], [], [], []
    for level, stride in zip(levels, strides, strict=True):
        height, width, depth = level.shape[1:]
        rows = torch.from_numpy(level).view(-1, depth)
        strongest, label = rows[:, 4 * bins :].max(1)
        confidence = strongest.sigmoid()
        kept = (confidence > min_confidence).nonzero()[:, 0]
        distances = rows[kept, : 4 * bins].view(-1, 4, bins).softmax(2) @ torch.from_numpy(projection)
        middles = torch.stack((kept % width, kept // width % height), 1) + 0.5
        boxes.append(torch.cat((middles - distances[:, :2], middles + distances[:, 2:]), 1) * stride)
        pictures.append(kept // (width * height))
        confidences.append(confidence[kept])
        labels.append(label[kept])
    picture, box, confidence, label = (torch.cat(all_) for all_ in (pictures, boxes, confidences, labels))
    found = []
    for place in range(len(levels[0])):
        mine = picture == place
        found.append(_suppress(box[mine], confidence[mine], label[mine], iou_limit))
    return found


def _suppress(
    boxes: torch.Tensor, confidences: torch.Tensor, labels: torch.Tensor, iou_limit: float
) -> Detections:
    order = suppress_by_group(boxes, confidences, labels, iou_limit)[:MAX_DETECTIONS]
    return Detections(
        boxes[order].cpu().numpy(), confidences[order].cpu().numpy(), labels[order].cpu().numpy()
    )
