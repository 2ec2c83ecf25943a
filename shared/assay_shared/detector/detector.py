"""One brand's detector, ready to detect: the reference that every faster way must equal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from assay_shared.detector.architecture import build_detector, predict_raw
from assay_shared.detector.postprocess import MIN_CONFIDENCE, Detections, find_detections
from assay_shared.detector.preprocess import find_window
from assay_shared.detector.weights import load_weights


class Detector:
    """A folded model on a device: fp16 on CUDA, fp32 elsewhere, channels last."""

    def __init__(
        self,
        architecture: str,
        labels: int,
        weights: Path | bytes,
        device: str = "cpu",
        *,
        whole: bool = False,
    ) -> None:
        """`weights`: a file, or its bytes. `whole`: grey borders are computed on the CPU too. Raises
        WeightsInvalid for a file that does not fit."""
        model = build_detector(architecture, labels)
        load_weights(model, weights)
        self._device = torch.device(device)
        self._whole = whole or self._device.type != "cpu"
        self._dtype = torch.float16 if self._device.type == "cuda" else torch.float32
        self._model = model.to(self._device, self._dtype).to(memory_format=torch.channels_last)

    @property
    def weight_bytes(self) -> int:
        """Bytes that the weights take on the device."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self._model.state_dict().values())

    def detect(
        self, batch: npt.NDArray[np.uint8], min_confidence: float = MIN_CONFIDENCE
    ) -> list[Detections]:
        """The detections of each of B letterboxed RGB pictures (B, S, S, 3), in input pixels.

        On the CPU the grey borders are cut away first, down to what the stride allows: a photo of 4:3 costs
        a quarter less. A GPU wants all pictures of one size more than it wants fewer pixels.
        """
        if self._whole:
            return self._detect(batch, min_confidence)
        return detect_in_windows(batch, lambda windows: self._detect(windows, min_confidence))

    def _detect(self, batch: npt.NDArray[np.uint8], min_confidence: float) -> list[Detections]:
        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(batch)).to(self._device)
            scaled = pixels.permute(0, 3, 1, 2).to(self._dtype, memory_format=torch.channels_last) / 255
            return find_detections(predict_raw(self._model, scaled), min_confidence)


def detect_in_windows(
    batch: npt.NDArray[np.uint8], detect: Callable[[npt.NDArray[np.uint8]], list[Detections]]
) -> list[Detections]:
    """The detections of letterboxed pictures (B, S, S, 3), in input pixels, by a function that is given what
    is inside their grey borders: (b, height, width, 3), those of one window together."""
    windows = [find_window(square) for square in batch]
    results: dict[int, Detections] = {}
    for window in set(windows):
        left, top, right, bottom = window
        places = [place for place, own in enumerate(windows) if own == window]
        found = detect(np.ascontiguousarray(batch[places, top:bottom, left:right]))
        offset = np.array([left, top, left, top], np.float32)
        for place, one in zip(places, found, strict=True):
            results[place] = replace(one, boxes=one.boxes + offset)
    return [results[place] for place in range(len(batch))]
