"""A runtime whose detectors tell by their boxes which weights they have: brand and version, as a number."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import numpy as np

from assay_engine.framing import Found, Pixels
from assay_shared.model_description import ModelDescription

SIDE = 32


def telling_weights(brand: str, version: str) -> bytes:
    """A "weights file" of 1,000 bytes that says whose it is."""
    return f"{brand}/{version}\n".encode().ljust(1000, b".")


def telling_number(brand: str, version: str) -> int:
    """What a detector of this model version says."""
    return int.from_bytes(hashlib.sha256(f"{brand}/{version}".encode()).digest()[:3], "big")


class TellingRuntime:
    """Detectors of `telling_weights`. Of memory it has `room` bytes; `has_device` says whose."""

    def __init__(self, room: int = 1 << 30, *, has_device: bool = False) -> None:
        self.has_device = has_device
        self.room = room
        self._held = 0
        self._lock = threading.Lock()

    def load(self, weights: Path | bytes, description: ModelDescription) -> TellingDetector:
        """Raises MemoryError when there is no room, and ValueError for other files."""
        assert isinstance(weights, bytes)
        name, newline, _ = weights.partition(b"\n")
        if not newline:
            raise ValueError("no such weights")
        brand, version = name.decode().split("/")
        self.take(len(weights))
        return TellingDetector(self, len(weights), telling_number(brand, version))

    def check(self) -> None:
        """Always fit."""

    def take(self, size: int) -> None:
        """Takes memory; negative gives it back. Raises MemoryError."""
        with self._lock:
            if size > 0 and self._held + size > self.room:
                raise MemoryError(f"{self._held} of {self.room} bytes are taken")
            self._held += size


class TellingDetector:
    """Finds one box in each picture: its own number as label, the picture's first pixel as confidence."""

    image_size = SIDE

    def __init__(self, runtime: TellingRuntime, size: int, number: int) -> None:
        self.size_bytes = size
        self._runtime = runtime
        self._number = number

    def __del__(self) -> None:
        self._runtime.take(-self.size_bytes)

    def detect(self, batch: Pixels) -> list[Found]:
        """Takes 300 bytes while it computes. Raises MemoryError."""
        self._runtime.take(300)
        try:
            return [
                Found(
                    np.zeros((1, 4), np.float32),
                    np.array([picture[0, 0, 0]], np.float32),
                    np.array([self._number], np.int64),
                )
                for picture in batch
            ]
        finally:
            self._runtime.take(-300)
