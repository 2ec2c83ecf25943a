"""How detectors run: PyTorch on one device, one brand after another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from assay_engine.framing import Found, Pixels
from assay_shared.detector.detector import Detector
from assay_shared.detector.preprocess import PADDING
from assay_shared.model_description import ModelDescription

STRIDE = 32
"""Of the network's coarsest features, in pixels."""


class TorchDetector:
    """One model version in memory. `image_size` in pixels, `size_bytes` those of its weights.

    On the CPU the grey borders of letterboxed pictures are cut away before the network sees them, down to
    what its stride allows: a photo of 4:3 costs a quarter less, as in ultralytics' own prediction.
    """

    def __init__(self, weights: Path, description: ModelDescription, device: str) -> None:
        labels = len(description.labels)
        self._detector = Detector(description.architecture, labels, weights, device)
        self._trims = device == "cpu"
        self.image_size = description.image_size
        self.size_bytes = self._detector.weight_bytes

    def detect(self, batch: Pixels) -> list[Found]:
        """The boxes of uint8 pictures (n, side, side, 3), unsure ones included."""
        whole = (0, 0, self.image_size, self.image_size)
        windows = [find_window(picture) if self._trims else whole for picture in batch]
        results: dict[int, Found] = {}
        for window in set(windows):
            places = [place for place, own in enumerate(windows) if own == window]
            left, top, right, bottom = window
            for place, found in zip(
                places, self._detector.detect(batch[places, top:bottom, left:right]), strict=True
            ):
                boxes = found.boxes + np.array([left, top, left, top], np.float32)
                results[place] = Found(boxes, found.confidences, found.labels.astype(np.int64))
        return [results[place] for place in range(len(batch))]


def find_window(picture: Pixels) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is not grey border in a letterboxed picture (side, side, 3), grown
    to multiples of the network's stride where the border allows."""
    side = len(picture)
    filled = picture.reshape(side, -1) != PADDING
    top, bottom = _find_span(filled.any(axis=1))
    left, right = _find_span(filled.any(axis=0).reshape(side, -1).any(axis=1))
    return left, top, right, bottom


def _find_span(filled: npt.NDArray[np.bool_]) -> tuple[int, int]:
    size = len(filled)
    places = np.flatnonzero(filled)
    if not len(places):
        return 0, size
    first, last = int(places[0]), int(places[-1]) + 1
    wanted = -(-(last - first) // STRIDE) * STRIDE
    first = max(0, min(first - (wanted - (last - first)) // 2, size - wanted))
    return first, first + wanted


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
