"""From the head's output to detections: decode, threshold, class-wise non-maximum suppression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torchvision.ops import batched_nms

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
    confidences, labels = confidences[kept], labels[kept]
    centre, half = anchors[kept, :2], anchors[kept, 2:4] / 2
    boxes = torch.cat((centre - half, centre + half), 1)
    order = batched_nms(boxes, confidences, labels, iou_limit)[:MAX_DETECTIONS]
    return Detections(
        boxes[order].cpu().numpy(), confidences[order].cpu().numpy(), labels[order].cpu().numpy()
    )
