"""Detectors with random weights that find some things, and pictures for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from assay_engine.probe import fill_weights, stretch_head
from assay_shared.detector.architecture import build_detector
from assay_shared.detector.weights import save_weights

SIDE = 128
Pictures = npt.NDArray[np.uint8]


def lively_weights(path: Path, seed: int, labels: int = 4, architecture: str = "yolov5nu") -> Path:
    """Random weights, biases included, that find some things, surely and less so."""
    detector = build_detector(architecture, labels)
    fill_weights(detector, torch.Generator().manual_seed(seed))
    stretch_head(detector, torch.from_numpy(draw([(128, 128)] * 2, seed=seed)))
    save_weights(detector, path)
    return path


def draw(shapes: list[tuple[int, int]], side: int = SIDE, seed: int = 0) -> Pictures:
    """Noise of these heights and widths, in the middle of grey squares."""
    rng = np.random.default_rng(seed)
    squares = np.full((len(shapes), side, side, 3), 114, np.uint8)
    for square, (height, width) in zip(squares, shapes, strict=True):
        top, left = (side - height) // 2, (side - width) // 2
        square[top : top + height, left : left + width] = rng.integers(0, 255, (height, width, 3), np.uint8)
    return squares
