"""Pixels that another process reads without their going through a pipe, 64 KB at a time: four megabytes are
there in a third of the time, and the more is going on, the more that tells."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from typing import Self

import numpy as np

from assay_shared.appearance.patches import Pixels


@dataclass(frozen=True)
class PixelPlace:
    """Where pixels of this shape lie, for a process of the same user, until they are closed."""

    path: str
    shape: tuple[int, ...]

    def read(self) -> Pixels:
        """The pixels, mapped and read-only. Raises OSError where they are closed."""
        with open(self.path, "rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        return np.frombuffer(mapped, np.uint8).reshape(self.shape)


class SharedPixels:
    """A copy of pixels in a file in memory that has no name and goes with this process, whatever becomes of
    it. Containers bound /dev/shm to 64 MB; these pages count as the process's own."""

    def __init__(self, pixels: Pixels) -> None:
        """Raises OSError where memory is out."""
        self._file = os.fdopen(os.memfd_create("pixels"), "wb", buffering=0)
        # Written rather than mapped: memory that is out is an error then, and no signal that kills.
        left = np.ascontiguousarray(pixels).data.cast("B")
        while left:
            left = left[self._file.write(left) :]
        self.place = PixelPlace(f"/proc/{os.getpid()}/fd/{self._file.fileno()}", pixels.shape)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
