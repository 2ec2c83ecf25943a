"""How detectors run: PyTorch on one device, one brand after another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from assay_engine.framing import Found, Pixels
from assay_shared.detector.detector import Detector
from assay_shared.model_description import ModelDescription


class TorchDetector:
    """One model version in memory. `image_size` in pixels, `size_bytes` those of its weights."""

    def __init__(self, weights: Path, description: ModelDescription, device: str) -> None:
        labels = len(description.labels)
        self._detector = Detector(description.architecture, labels, weights, device)
        self.image_size = description.image_size
        self.size_bytes = self._detector.weight_bytes

    def detect(self, batch: Pixels) -> list[Found]:
        """The boxes of uint8 pictures (n, side, side, 3), unsure ones included."""
        return [
            Found(found.boxes, found.confidences, found.labels.astype(np.int64))
            for found in self._detector.detect(batch)
        ]


class TorchRuntime:
    """Makes detectors on a device: `cuda` when that is asked for or there, else the CPU."""

    def __init__(self, device: str = "auto", gpu: int | None = None) -> None:
        cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        self.device = f"cuda:{gpu or 0}" if cuda else "cpu"
        self._weight = torch.ones(8, 3, 3, 3, device=self.device)

    def load(self, weights: Path, description: ModelDescription) -> TorchDetector:
        """A detector from verified files. Raises WeightsInvalid when they do not fit together."""
        return TorchDetector(weights, description, self.device)

    def check(self) -> None:
        """Computes a convolution: raises what the device raises when it is not fit to predict."""
        picture = torch.ones(1, 3, 32, 32, device=self.device)
        if float(torch.nn.functional.conv2d(picture, self._weight).mean()) != 27.0:
            raise RuntimeError("The device computes wrongly")
