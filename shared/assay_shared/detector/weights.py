"""The weights file: safetensors in fp16 of the folded detector. Never a pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save_file

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


def load_weights(detector: torch.nn.Module, file: Path | bytes) -> None:
    """Reads weights into a detector of the same architecture and number of labels, in its own precision, from
    a file or from a file's bytes.

    Raises WeightsInvalid when the file is damaged, or names and shapes differ in any way.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in detector.state_dict().items()}
    detector.load_state_dict(_read(file, shapes))


def read_flat_weights(file: Path | bytes, shapes: Mapping[str, tuple[int, ...]]) -> npt.NDArray[np.float16]:
    """All weights of a file (or its bytes) in fp16, one after another in the order of `shapes`: memory of its
    own, the size of the file. Raises WeightsInvalid as `load_weights` does."""
    tensors = _read(file, shapes)
    flat = np.empty(sum(tensor.numel() for tensor in tensors.values()), np.float16)
    start = 0
    for name in shapes:
        end = start + tensors[name].numel()
        flat[start:end] = tensors[name].half().flatten().numpy()
        start = end
    return flat


def _read(file: Path | bytes, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    name = file.name if isinstance(file, Path) else "The weights file"
    try:
        tensors = load_file(file) if isinstance(file, Path) else load(file)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsInvalid(f"{name} cannot be read: {error}") from error
    if shapes.keys() != tensors.keys():
        odd = sorted(shapes.keys() ^ tensors.keys())
        raise WeightsInvalid(f"{name} has other weights than the architecture, such as {odd[0]!r}")
    for weight, tensor in tensors.items():
        if tensor.shape != shapes[weight]:
            raise WeightsInvalid(
                f"{name}: {weight} has shape {tuple(tensor.shape)}, not {tuple(shapes[weight])}"
            )
        if not _is_finite(tensor):
            raise WeightsInvalid(f"{name}: {weight} holds numbers that are not finite")
    return tensors


def _is_finite(tensor: torch.Tensor) -> bool:
    if tensor.dtype != torch.float16 or not tensor.numel():
        return bool(torch.isfinite(tensor).all())
    # Infinite and no number have an exponent of ones: as integers that is found six times sooner.
    return int((tensor.view(torch.int16) & 0x7FFF).max()) < 0x7C00


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
