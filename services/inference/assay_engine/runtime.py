"""How detectors run: PyTorch on one device, one brand after another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from assay_engine.framing import Found, Pixels
from assay_shared.detector.detector import Detector
from assay_shared.model_description import ModelDescription


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turns PyTorch's ways to say that memory has ended into MemoryError."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        # What the allocator holds in reserve goes back to the device, where the next attempt may find it.
        torch.cuda.empty_cache()
        raise MemoryError(str(error)) from error
    except RuntimeError as error:
        # Of the CPU's allocator, and of CUDA elsewhere than in PyTorch's allocator: there is no class for it.
        if "can't allocate memory" in str(error) or "out of memory" in str(error):
            raise MemoryError(str(error)) from error
        raise


class TorchDetector:
    """One model version in memory. `image_size` in pixels, `size_bytes` those of its weights."""

    def __init__(
        self, weights: Path | bytes, description: ModelDescription, device: str, *, whole: bool
    ) -> None:
        labels = len(description.labels)
        self._detector = Detector(description.architecture, labels, weights, device, whole=whole)
        self.image_size = description.image_size
        self.size_bytes = self._detector.weight_bytes

    def detect(self, batch: Pixels) -> list[Found]:
        """The boxes of uint8 pictures (n, side, side, 3), unsure ones included."""
        with memory_errors():
            detections = self._detector.detect(batch)
        return [Found(found.boxes, found.confidences, found.labels.astype(np.int64)) for found in detections]


class TorchRuntime:
    """Makes detectors on a device: `cuda` when that is asked for or there, else the CPU."""

    def __init__(self, device: str = "auto", gpu: int | None = None, *, whole: bool = False) -> None:
        """`whole`: on the CPU too, the grey borders of pictures are computed."""
        self._whole = whole
        cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        self.device = f"cuda:{gpu or 0}" if cuda else "cpu"
        self.has_device = cuda
        self._weight = torch.ones(8, 3, 3, 3, device=self.device)

    def load(self, weights: Path | bytes, description: ModelDescription) -> TorchDetector:
        """A detector from verified files. Raises WeightsInvalid when they do not fit together, and
        MemoryError."""
        with memory_errors():
            return TorchDetector(weights, description, self.device, whole=self._whole)

    def find_free_bytes(self) -> int | None:
        """Free memory of the device; None on the CPU."""
        return int(torch.cuda.mem_get_info(self.device)[0]) if self.has_device else None

    def check(self) -> None:
        """Computes a convolution: raises what the device raises when it is not fit to predict."""
        picture = torch.ones(1, 3, 32, 32, device=self.device)
        if float(torch.nn.functional.conv2d(picture, self._weight).mean()) != 27.0:
            raise RuntimeError("The device computes wrongly")
