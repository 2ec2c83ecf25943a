"""What explanations of judgements are drawn from, kept for a while and then gone: it shows what people
photographed."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from assay_inference.partials import list_files, write_whole
from assay_shared import logs

log = logs.get_logger(__name__)
SWEEP_SECONDS = 60.0
"""Between two looks for what is old, at least."""


class AppearancePlace(BaseModel):
    """Where the appearance lies that a product was compared with: a file of a model version."""

    brand: str
    version: str
    file: str
    sha256: str


@dataclass(frozen=True)
class Explanation:
    """A sketch (`assay_shared.appearance.sketches`) and the appearance that it is drawn with."""

    place: AppearancePlace
    sketch: bytes = field(repr=False)


class Explanations:
    """Keeps explanations in a folder, by brand, verification and number of the product in it, for `seconds`
    and under `max_bytes`. A file is a line of JSON with the place of the appearance, and the sketch.

    Replicas may share the folder.
    """

    def __init__(self, folder: Path, seconds: float, max_bytes: int) -> None:
        self._folder = folder
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._swept = 0.0
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, verification: str, product: int, explanation: Explanation) -> None:
        """Keeps an explanation. A full disk is logged: the verdict does not depend on it."""
        path = self._folder / explanation.place.brand / f"{verification}.{product}"
        try:
            path.parent.mkdir(exist_ok=True)
            write_whole(path, explanation.place.model_dump_json().encode() + b"\n" + explanation.sketch)
        except OSError as error:
            log.warning("explanation not kept", verification=verification, reason=str(error))
        if time.monotonic() - self._swept >= SWEEP_SECONDS:
            self.sweep()

    def find(self, verification: str, product: int) -> Explanation | None:
        """The explanation of a product in a verification; None where there is none, or none any more."""
        if not re.fullmatch(r"[A-Za-z0-9_-]+", verification):
            return None
        for path in self._folder.glob(f"*/{verification}.{product:d}"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime >= time.time() - self._seconds:
                    place, _, sketch = path.read_bytes().partition(b"\n")
                    return Explanation(AppearancePlace.model_validate_json(place), sketch)
        return None

    def sweep(self) -> None:
        """Deletes what is old, and the oldest beyond the limit."""
        with self._lock:
            self._swept = time.monotonic()
            total, oldest = 0, time.time() - self._seconds
            for when, size, path in reversed(list_files(self._folder, "*/*")):
                total += size
                if when < oldest or total > self._max_bytes:
                    path.unlink(missing_ok=True)
