"""The architecture: ultralytics' YOLOv5u, built from its own definition, never from a pickle."""

from __future__ import annotations

from typing import Any

import torch

from assay_shared.detector import offline as offline  # before ultralytics
from assay_shared.errors import InvalidRequest

DEFINITIONS = {"yolov5nu": "yolov5n.yaml", "yolov5su": "yolov5s.yaml"}
"""Our names, which are those of ultralytics' checkpoints, and the definitions they are built from."""


def build_trainable(architecture: str, labels: int) -> Any:
    """An ultralytics DetectionModel with `labels` classes, freshly initialised, with batch norms.

    Raises InvalidRequest for an unknown architecture.
    """
    from ultralytics.nn.tasks import DetectionModel

    if architecture not in DEFINITIONS:
        raise InvalidRequest(f"There is no architecture {architecture!r}; there are {sorted(DEFINITIONS)}")
    return DetectionModel(DEFINITIONS[architecture], ch=3, nc=labels, verbose=False)


def fold_batch_norms(model: Any) -> torch.nn.Module:
    """The inference form of a trained DetectionModel: batch norms folded into the convolutions, on the CPU,
    in fp32. Its forward takes (B, 3, S, S) from 0 to 1 and gives (B, 4 + labels, anchors): boxes xywh in
    input pixels, then confidences after the sigmoid."""
    folded: torch.nn.Module = model.float().cpu().eval().fuse(verbose=False)
    for parameter in folded.parameters():
        parameter.requires_grad_(False)
    return folded


def build_detector(architecture: str, labels: int) -> torch.nn.Module:
    """The inference form without weights, ready for `weights.load_weights`."""
    return fold_batch_norms(build_trainable(architecture, labels))


def predict_raw(model: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """The head's output (B, 4 + labels, anchors) for input (B, 3, S, S), without what only training wants."""
    output = model(batch)
    raw: torch.Tensor = output[0] if isinstance(output, (tuple, list)) else output
    return raw
