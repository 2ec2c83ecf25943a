"""Where training starts from: weights of the whole COCO-trained model, shipped with the trainer."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from assay_shared.detector import offline as offline  # before ultralytics
from assay_shared.errors import AssayError

BUNDLED = Path(__file__).parent / "weights"
MIN_SHARE = 0.5
"""Least share of the weights that must fit, or the file is of another architecture. With few labels the
whole classification branch of YOLOv5u is narrower than COCO's and starts anew: about 0.93 fits."""


UNREADABLE = (SafetensorError, OSError, ValueError, RuntimeError, TypeError, EOFError, UnpicklingError)
"""What the readers of weights raise for files that are damaged, missing, or something else."""


class BaseWeightsUnusable(AssayError):
    """The pretrained weights cannot be had or do not fit; a run never starts from random ones unsaid."""

    type = "base-weights-unusable"
    title = "The pretrained weights cannot be used"
    status = 422


def find_bundled(architecture: str) -> Path:
    """The weights that ship with the trainer. Raises BaseWeightsUnusable for an architecture without."""
    path = BUNDLED / f"{architecture}.safetensors"
    if not path.is_file():
        raise BaseWeightsUnusable(
            f"No weights of {architecture} ship with the trainer: name some in ASSAY_PRETRAINED_WEIGHTS"
        )
    return path


def load_base_weights(model: Any, path: Path) -> int:
    """Loads what fits, by name and shape, into a fresh DetectionModel; returns how many tensors did.

    `path` is safetensors, or an ultralytics checkpoint (.pt; read with `weights_only`), or the name of an
    ultralytics asset, which ultralytics may fetch. Raises BaseWeightsUnusable.
    """
    try:
        tensors = load_file(path) if path.suffix == ".safetensors" else _load_checkpoint(path)
    except UNREADABLE as error:
        raise BaseWeightsUnusable(f"Pretrained weights {path.name} cannot be had: {error}") from error
    own = model.state_dict()
    fitting = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
        if name in own and own[name].shape == tensor.shape
    }
    if len(fitting) < MIN_SHARE * len(own):
        raise BaseWeightsUnusable(
            f"Pretrained weights {path.name} are of another architecture: {len(fitting)} of {len(own)} fit"
        )
    model.load_state_dict(fitting, strict=False)
    return len(fitting)


def _load_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    from ultralytics.nn.tasks import load_checkpoint

    tensors: dict[str, torch.Tensor] = load_checkpoint(str(path))[0].float().state_dict()
    return tensors
