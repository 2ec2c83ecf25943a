"""The files of products' appearances, fetched from bucket `live` once and kept on disk under a byte limit."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from pathlib import Path
from typing import Protocol

from assay_inference.partials import write_whole
from assay_shared import logs
from assay_shared.appearance.files import MOST_BYTES
from assay_shared.errors import NotFound, Unavailable
from assay_shared.keys import LIVE, model_folder

log = logs.get_logger(__name__)


class Store(Protocol):
    """What is needed of the object store (`assay_shared.storage.ObjectStore` has it)."""

    def get(self, bucket: str, key: str, limit: int | None = None) -> bytes:
        """The bytes of an object."""


class AppearanceFiles:
    """Keeps files in a folder, named by their SHA-256; the least recently used go first beyond `max_bytes`.

    Replicas may share the folder.
    """

    def __init__(self, store: Store, folder: Path, max_bytes: int) -> None:
        self._store = store
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def fetch(self, brand: str, version: str, name: str, sha256: str) -> Path:
        """The file `name` of a model version. Raises StoreUnavailable, and Unavailable where the store lacks
        it or has other bytes than those of the version."""
        path = self._folder / f"{sha256}.safetensors"
        with contextlib.suppress(FileNotFoundError):
            os.utime(path)
            return path
        try:
            data = self._store.get(LIVE, model_folder(brand, version) + name, 2 * MOST_BYTES)
        except NotFound as error:
            log.exception("appearance is missing in bucket `live`", brand=brand, version=version, file=name)
            raise Unavailable(f"Model version {version} of brand {brand!r} lacks {name}") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            log.error("appearance in bucket `live` is corrupt", brand=brand, version=version, file=name)
            raise Unavailable(f"Model version {version} of brand {brand!r} is damaged: {name}")
        write_whole(path, data)
        self._make_room()
        return path

    def _make_room(self) -> None:
        with self._lock:
            # Another replica may delete the same ones.
            files = []
            for path in self._folder.glob("*.safetensors"):
                with contextlib.suppress(FileNotFoundError):
                    stat = path.stat()
                    files.append((stat.st_mtime, stat.st_size, path))
            total = sum(size for _, size, _ in files)
            for _, size, path in sorted(files)[:-1]:
                if total <= self._max_bytes:
                    return
                path.unlink(missing_ok=True)
                total -= size
