"""Pictures that explain judgements, kept for a while and then gone: they show what people photographed."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from pathlib import Path

from assay_inference.partials import write_whole
from assay_shared import logs

log = logs.get_logger(__name__)
SWEEP_SECONDS = 60.0
"""Between two looks for what is old, at least."""


class Explanations:
    """Keeps pictures in a folder, by brand and verification, for `seconds` and under `max_bytes`.

    Replicas may share the folder.
    """

    def __init__(self, folder: Path, seconds: float, max_bytes: int) -> None:
        self._folder = folder
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._swept = 0.0
        folder.mkdir(parents=True, exist_ok=True)

    def keep(self, brand: str, verification: str, picture: bytes) -> None:
        """Keeps a picture. A full disk is logged: the verdict does not depend on it."""
        path = self._folder / brand / f"{verification}.jpg"
        try:
            path.parent.mkdir(exist_ok=True)
            write_whole(path, picture)
        except OSError as error:
            log.warning("explanation not kept", verification=verification, reason=str(error))
        if time.monotonic() - self._swept >= SWEEP_SECONDS:
            self.sweep()

    def find(self, verification: str) -> tuple[str, bytes] | None:
        """The brand and the picture of a verification; None where there is none, or none any more."""
        if not re.fullmatch(r"[A-Za-z0-9_-]+", verification):
            return None
        for path in self._folder.glob(f"*/{verification}.jpg"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime >= time.time() - self._seconds:
                    return path.parent.name, path.read_bytes()
        return None

    def sweep(self) -> None:
        """Deletes what is old, and the oldest beyond the limit."""
        with self._lock:
            self._swept = time.monotonic()
            total, oldest = 0, time.time() - self._seconds
            files = []
            for path in self._folder.glob("*/*.jpg"):
                with contextlib.suppress(FileNotFoundError):
                    stat = path.stat()
                    files.append((stat.st_mtime, stat.st_size, path))
            for when, size, path in sorted(files, reverse=True):
                total += size
                if when < oldest or total > self._max_bytes:
                    path.unlink(missing_ok=True)
