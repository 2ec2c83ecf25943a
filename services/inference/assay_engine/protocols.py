"""What the engine asks of a runtime, and of the detectors that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from assay_engine.framing import Found, Pixels
from assay_shared.model_description import ModelDescription


class BrandDetector(Protocol):
    """One model version ready to run."""

    @property
    def image_size(self) -> int:
        """Side of the pictures that it takes, in pixels."""

    @property
    def size_bytes(self) -> int:
        """Memory that it holds, in bytes."""

    def detect(self, batch: Pixels) -> list[Found]:
        """The boxes of uint8 pictures (n, side, side, 3). Raises MemoryError when the device has no room."""


class Runtime(Protocol):
    """How detectors are made and run."""

    @property
    def has_device(self) -> bool:
        """Whether detectors lie in other memory than the host's."""

    def load(self, weights: Path | bytes, description: ModelDescription) -> BrandDetector:
        """A detector from a verified file or its bytes. Raises MemoryError when the device has no room."""

    def check(self) -> None:
        """Raises when the device does not compute."""


@dataclass(frozen=True)
class Run:
    """Pictures (side, side, 3) for one detector."""

    detector: BrandDetector
    pictures: Sequence[Pixels]


@runtime_checkable
class ManyRuntime(Protocol):
    """A runtime that computes several brands at once."""

    def detect_many(self, runs: Sequence[Run]) -> list[list[Found]]:
        """The boxes of each run's pictures. Raises MemoryError when the device has no room; whatever it
        raises, the engine tries the brands one by one, so that one brand's fault is no other's."""


class Staged(Protocol):
    """A model version in the host's memory, ready to be copied to the device."""

    @property
    def size_bytes(self) -> int:
        """Memory that it holds, in bytes."""


@runtime_checkable
class StagingRuntime(Protocol):
    """A runtime that keeps models in the host's memory in a form of its own."""

    def stage(self, weights: Path | bytes, description: ModelDescription) -> Staged:
        """What is kept of a verified file. Raises MemoryError when the host has no room."""

    def place(self, staged: Any) -> BrandDetector:
        """A detector from what `stage` gave. Raises MemoryError when the device has no room."""
