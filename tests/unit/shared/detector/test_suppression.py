from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torchvision.ops import batched_nms

from assay_shared.detector.suppression import suppress_by_group

ALONE = """
import sys
import torch
from assay_shared.detector.suppression import suppress_by_group
boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [1, 1, 11, 11]])
print(suppress_by_group(boxes, torch.tensor([0.5, 0.9, 0.7]), torch.tensor([0, 0, 1]), 0.5).tolist())
print("torchvision" in sys.modules)
"""


@pytest.mark.parametrize("count", [0, 1, 300, 3000])
def test_the_same_stay_as_by_torchvision(count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    corners = torch.rand((count, 2), generator=generator) * 300
    boxes = torch.cat((corners, corners + torch.rand((count, 2), generator=generator) * 80), 1)
    confidences = torch.rand(count, generator=generator)
    groups = torch.randint(0, 4, (count,), generator=generator)
    found = suppress_by_group(boxes, confidences, groups, 0.5)
    assert found.tolist() == batched_nms(boxes, confidences, groups, 0.5).tolist()


def test_the_library_alone_is_enough() -> None:
    said = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == ["[1, 2]", "False"]
