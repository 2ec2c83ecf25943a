"""What tests of the slots strategy share: brands with telling weights, and devices that fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from assay_engine.device import CpuDevice
from assay_engine.framing import Found, Pixels
from assay_engine.runtime import TorchRuntime
from assay_shared.model_description import ModelDescription
from tests.support.live_model import describe_model
from tests.support.lively import SIDE, draw, lively_weights


@dataclass(frozen=True)
class Brand:
    """One brand's weights, and what eager PyTorch finds with them in each of the pictures."""

    weights: bytes
    description: ModelDescription
    wanted: list[Found]


def make_brands(folder: Path, count: int, eager: TorchRuntime) -> tuple[Pixels, list[Brand]]:
    """Pictures (4, SIDE, SIDE, 3), one with grey borders, and brands that find different things in them."""
    pictures = draw([(SIDE, SIDE), (SIDE, SIDE), (SIDE, SIDE), (SIDE, 64)], seed=9)
    brands = []
    for number in range(count):
        weights = lively_weights(folder / f"{number}.safetensors", seed=number).read_bytes()
        description = describe_model(f"brand-{number}", "v1", weights, SIDE)
        brands.append(Brand(weights, description, eager.load(weights, description).detect(pictures)))
    return pictures, brands


def assert_same(found: Found, wanted: Found) -> None:
    """The same boxes, but for the order of summation in fp32."""
    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=1e-2)
    np.testing.assert_allclose(found.confidences, wanted.confidences, atol=1e-4)
    np.testing.assert_array_equal(found.labels, wanted.labels)


class FailingDevice(CpuDevice):
    """Raises at captures, and gives graphs that go wrong, as told. Counts captures."""

    def __init__(self, at_capture: Exception | None = None, replay: str = "right") -> None:
        self.at_capture, self.replay = at_capture, replay
        self.captures = 0

    def capture(self, function: Callable[[], None], memory: object) -> Callable[[], None]:
        """Raises, or a graph that does nothing (`stale`), or the function."""
        self.captures += 1
        if self.at_capture is not None:
            raise self.at_capture
        return function if self.replay == "right" else lambda: None


def draw_raw(
    rng: np.random.Generator, pictures: int, labels: int, anchors: int, share: float
) -> torch.Tensor:
    """The head's output: some boxes almost on one another, some outside of the picture."""
    middles = rng.choice(rng.uniform(-20, 660, 12), (pictures, 2, anchors)) + rng.normal(
        0, 4, (pictures, 2, anchors)
    )
    sizes = rng.choice([20.0, 60.0], (pictures, 2, anchors)) + rng.normal(0, 2, (pictures, 2, anchors))
    confidences = rng.uniform(0, 1, (pictures, labels, anchors)) * (
        rng.uniform(size=(pictures, 1, anchors)) < share
    )
    return torch.from_numpy(np.concatenate([middles, sizes, confidences], 1).astype(np.float32))


def to_rows(raw: torch.Tensor) -> torch.Tensor:
    """What a weight slot makes of it: rows (n, anchors, 6)."""
    anchors = raw.transpose(1, 2)
    confidences, labels = anchors[..., 4:].max(2, keepdim=True)
    centre, half = anchors[..., :2], anchors[..., 2:4] / 2
    return torch.cat((centre - half, centre + half, confidences, labels.float()), 2)
