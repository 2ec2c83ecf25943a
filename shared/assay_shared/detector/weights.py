"""The weights file: safetensors in fp16 of the folded detector. Never a pickle."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from assay_shared.errors import AssayError


class WeightsInvalid(AssayError):
    """A weights file is not what its description says: damaged, cut short, or of another architecture."""

    type = "weights-invalid"
    title = "The weights file is not valid"
    status = 500


def save_weights(detector: torch.nn.Module, path: Path) -> None:
    """Writes the weights of a folded detector in fp16."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in detector.state_dict().items()}
    save_file(tensors, path)


def load_weights(detector: torch.nn.Module, path: Path) -> None:
    """Reads weights into a detector of the same architecture and number of labels, in its own precision.

    Raises WeightsInvalid when the file is damaged, or names and shapes differ in any way.
    """
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsInvalid(f"{path.name} cannot be read: {error}") from error
    expected = detector.state_dict()
    if expected.keys() != tensors.keys():
        odd = sorted(expected.keys() ^ tensors.keys())
        raise WeightsInvalid(f"{path.name} has other weights than the architecture, such as {odd[0]!r}")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise WeightsInvalid(
                f"{path.name}: {name} has shape {tuple(tensor.shape)}, not {tuple(expected[name].shape)}"
            )
        if not torch.isfinite(tensor).all():
            raise WeightsInvalid(f"{path.name}: {name} holds numbers that are not finite")
    detector.load_state_dict(tensors)


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
