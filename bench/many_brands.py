"""Many brands with random weights, for the benches of the engine."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from assay_engine.engine import Engine
from assay_engine.framing import Found, Item, Pixels
from assay_engine.probe import Probe
from assay_shared.model_description import DESCRIPTION_FILE, WEIGHTS_FILE

VERSION = "v1"


class FilesAtHand:
    """An object store in which nothing is: all files are in the disk cache already."""

    def get_file(self, bucket: str, key: str, path: Path) -> None:
        """Raises what a test of nothing but the engine must not meet."""
        raise FileNotFoundError(f"{bucket}/{key} should be in the disk cache")


def fill_cache(folder: Path, probe: Probe, brands: int) -> int:
    """Lays brands, each a little different, into a disk cache; returns the bytes of a weights file."""
    weights = load_file(probe.weights)
    for number in range(brands):
        place = folder / slug(number) / VERSION
        place.mkdir(parents=True)
        generator = torch.Generator().manual_seed(number)
        own = {
            name: tensor
            if ".dfl." in name
            else tensor * (1 + 0.01 * torch.randn(tensor.shape, generator=generator)).half()
            for name, tensor in weights.items()
        }
        save_file(own, place / WEIGHTS_FILE)
        sha256 = hashlib.sha256((place / WEIGHTS_FILE).read_bytes()).hexdigest()
        description = probe.description.model_copy(update={"files": {WEIGHTS_FILE: sha256}})
        (place / DESCRIPTION_FILE).write_text(description.model_dump_json())
    return (folder / slug(0) / VERSION / WEIGHTS_FILE).stat().st_size


def slug(number: int) -> str:
    """The name of a brand."""
    return f"brand-{number}"


def ask(engine: Engine, number: int, picture: Pixels) -> float:
    """Seconds of one request. Raises what the engine answers instead of boxes."""
    started = time.perf_counter()
    [found] = engine.detect([Item(slug(number), VERSION, picture)])
    spent = time.perf_counter() - started
    if not isinstance(found, Found):
        raise found
    return spent


def percentile(seconds: Sequence[float], share: float) -> float:
    """In milliseconds."""
    return float(np.percentile(seconds, share) * 1000)
