"""The print's peer: a whole-crop embedding, the COCO backbone of the base weights, pooled."""

from __future__ import annotations

from collections.abc import Callable

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


def make_embedder() -> Callable[[Patch], Doubles]:
    """What gives a unit vector (d,) of a patch."""
    model = build_trainable("yolov5nu", 1)
    load_base_weights(model, find_bundled("yolov5nu"))
    backbone = model.eval().model[:BACKBONE]

    def embed(patch: Patch) -> Doubles:
        square = cv2.resize(patch.pixels, (CROP, CROP), interpolation=cv2.INTER_AREA)
        with torch.inference_mode():
            found = torch.from_numpy(square).permute(2, 0, 1)[None].float() / 255
            for layer in backbone:
                found = layer(found)
        vector = found.mean((2, 3))[0].numpy().astype(np.float64)
        return np.asarray(vector / np.linalg.norm(vector))

    return embed
