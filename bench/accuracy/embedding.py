"""The print's peer: a whole-crop embedding, the COCO backbone of the base weights, pooled."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from assay_shared.appearance.patches import Doubles, Patch
from assay_shared.detector.architecture import build_trainable
from assay_trainer.base_weights import find_bundled, load_base_weights

CROP = 320
"""Pixels each way."""
BACKBONE = 10
"""Layers of the network up to its neck."""


class Neighbours:
    """The training photos of a product by their embeddings."""

    def __init__(self, patches: Sequence[Patch]) -> None:
        model = build_trainable("yolov5nu", 1)
        load_base_weights(model, find_bundled("yolov5nu"))
        self._backbone = model.eval().model[:BACKBONE]
        self._known = np.stack([self._embed(patch) for patch in patches])

    def find_likeness(self, patch: Patch) -> float:
        """The cosine of the angle to the nearest of them, -1 to 1."""
        return float((self._known @ self._embed(patch)).max())

    def _embed(self, patch: Patch) -> Doubles:
        """A unit vector (d,)."""
        square = cv2.resize(patch.pixels, (CROP, CROP), interpolation=cv2.INTER_AREA)
        with torch.inference_mode():
            found = torch.from_numpy(square).permute(2, 0, 1)[None].float() / 255
            for layer in self._backbone:
                found = layer(found)
        vector = found.mean((2, 3))[0].numpy().astype(np.float64)
        return np.asarray(vector / np.linalg.norm(vector))
