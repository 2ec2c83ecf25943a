"""Non-maximum suppression: torchvision's, without the rest of torchvision.

Importing the package takes 90 MB of a process and a second, for models and data sets that nobody here uses;
its operations are one library.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import torch


def suppress_by_group(
    boxes: torch.Tensor, confidences: torch.Tensor, groups: torch.Tensor, iou_limit: float
) -> torch.Tensor:
    """The indices of the boxes (n, 4) xyxy that stay, surest first: of two of the same group (n,) that
    overlap by more than `iou_limit`, the less sure one goes."""
    if not len(boxes):
        return torch.zeros(0, dtype=torch.int64, device=boxes.device)
    # Boxes of different groups are moved apart; in fp64, for in fp32 the distance would take from the boxes
    # what overlaps are told by.
    boxes = boxes.double()
    reach = boxes.max() - boxes.min() + 1
    apart = boxes + (groups.double() * reach)[:, None]
    order: torch.Tensor = torch.ops.torchvision.nms(apart, confidences.double(), iou_limit)
    return order


def _load_operations() -> None:
    package = importlib.util.find_spec("torchvision")
    for place in (package and package.submodule_search_locations) or ():
        for library in sorted(Path(place).glob("_C*.so")):
            torch.ops.load_library(library)
    if not hasattr(torch.ops.torchvision, "nms"):
        importlib.import_module("torchvision")


_load_operations()
