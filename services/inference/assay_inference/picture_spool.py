"""Pictures of verifications that a brand keeps: on disk before the answer goes out, in bucket `uploads`
whenever the store answers. There `ingest` sanitises them like any upload."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Protocol

from prometheus_client import Counter, Gauge

from assay_inference.delivery import Delivery
from assay_inference.partials import ENDING, remove_leftovers, write_whole
from assay_shared import logs
from assay_shared.doubt import is_doubted, is_near
from assay_shared.errors import StoreUnavailable
from assay_shared.keys import UPLOADS, kept_picture_key
from assay_shared.storage import StoredObject
from assay_shared.wire import KeptPictures, Verification

WAITING = Gauge("assay_kept_pictures_waiting_bytes", "bytes of pictures that the store has not got yet")
LOST = Counter("assay_kept_pictures_lost", "pictures that should have been kept and found no room on disk")

log = logs.get_logger(__name__)


class Store(Protocol):
    """What is needed of the object store (`assay_shared.storage.ObjectStore` has it)."""

    def put(self, bucket: str, key: str, data: bytes) -> StoredObject:
        """Stores bytes whole."""


def wants_picture(kept: KeptPictures, verification: Verification) -> bool:
    """Whether a brand with this setting keeps the picture of this verification."""
    return kept == "all" or (
        kept == "doubted" and (is_doubted(verification.verdict) or is_near(verification.score))
    )


class PictureSpool:
    """A folder for each brand, with one file for each picture that the store has not got yet, `max_bytes` in
    all. Replicas may share it, as they share the log's."""

    def __init__(self, folder: Path, store: Store, max_bytes: int, retry_seconds: float = 5.0) -> None:
        self._folder = folder
        self._store = store
        self._max_bytes = max_bytes
        self._room = threading.Lock()
        self._delivery = Delivery("picture-spool", self._deliver_and_count, retry_seconds)
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Starts delivering."""
        remove_leftovers(self._folder)
        self._delivery.start()

    def stop(self) -> None:
        """Stops delivering; what is left stays on disk for the next start."""
        self._delivery.stop()

    def add(self, brand: str, verification: str, extension: str, data: bytes) -> bool:
        """Puts a picture safely on disk. Where there is no room, or the disk does not take it, that is
        counted and logged, and it gives False: never does a picture stand in the way of a verdict."""
        path = self._folder / brand / f"{verification}.{extension}"
        try:
            with self._room:
                used = self._measure()
                if used + len(data) <= self._max_bytes:
                    path.parent.mkdir(exist_ok=True)
                    write_whole(path, data, durable=True)
                    self._delivery.wake()
                    return True
            reason = f"{used} of {self._max_bytes} bytes are taken by pictures that wait for the store"
        except OSError as error:
            reason = str(error)
        LOST.inc()
        log.warning("picture is not kept", verification=verification, brand=brand, reason=reason)
        return False

    def waiting(self) -> list[Path]:
        """The pictures that are not delivered yet, oldest first (ids sort by time)."""
        files = (path for path in self._folder.glob("*/*") if path.suffix != ENDING)
        return sorted(files, key=lambda path: path.name)

    def deliver(self) -> bool:
        """Delivers what waits; False when the store does not take it now. Delivered twice is as good as
        once."""
        for path in self.waiting():
            if self._delivery.stopping:
                return True
            key = kept_picture_key(path.parent.name, path.stem, path.suffix.removeprefix("."))
            try:
                self._store.put(UPLOADS, str(key), path.read_bytes())
            except FileNotFoundError:
                continue  # delivered by another replica
            except StoreUnavailable as error:
                log.warning("kept pictures wait", reason=error.detail)
                return False
            path.unlink(missing_ok=True)
        return True

    def _measure(self) -> int:
        """Bytes of all that waits. Measured, not remembered: other replicas write here too."""
        used = 0
        for path in self._folder.glob("*/*"):
            try:
                used += path.stat().st_size
            except FileNotFoundError:
                continue
        return used

    def _deliver_and_count(self) -> bool:
        try:
            return self.deliver()
        finally:
            WAITING.set(self._measure())
