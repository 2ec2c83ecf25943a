"""The disk tier: files of model versions, fetched from bucket `live`, verified, kept for the next start."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from assay_engine.errors import ModelUnavailable
from assay_engine.popularity import Key, Popularity
from assay_engine.tiers import Tier
from assay_shared import logs
from assay_shared.errors import NotFound, StoreUnavailable
from assay_shared.keys import LIVE, model_folder
from assay_shared.model_description import DESCRIPTION_FILE, WEIGHTS_FILE, ModelDescription

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")
ASIDE = "."
"""Folders whose name begins so are being filled or deleted."""
LEFT_SECONDS = 3600.0
"""A folder that was set aside so long ago is finished by nobody: its process was killed."""
LOOK_SHARE = 0.01
"""Of the limit: so many bytes are added before it is looked what other processes have added and deleted."""

log = logs.get_logger(__name__)


class Store(Protocol):
    """What the cache needs of the object store (`assay_shared.storage.ObjectStore` has it)."""

    def get_file(self, bucket: str, key: str, path: Path) -> None:
        """Fetches an object into a file, whole or not at all."""


@dataclass(frozen=True)
class ModelFiles:
    """One model version in memory: the bytes of its weights file are those that its description names."""

    description: ModelDescription
    weights: bytes


class ModelCache:
    """Model versions under one folder, `{brand}/{version}/`, at most `limit_bytes` in all.

    Versions are immutable, so what is here and has the right hash is right, store or no store. Several
    processes may share the folder: folders come and go whole, by rename, and their mtime is their rank
    (`popularity.py`), so that a next process knows what is wanted.
    """

    def __init__(
        self, store: Store, folder: Path, limit_bytes: int, popularity: Popularity | None = None
    ) -> None:
        self._store = store
        self._folder = folder
        self._popularity = popularity or Popularity()
        self._tier: Tier[Path] = Tier("disk", limit_bytes, self._fetch, self._popularity, self._remove)
        self._look_lock = threading.Lock()
        self._added = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._look()

    @property
    def size(self) -> int:
        """Bytes of all files, as last seen."""
        return self._tier.size

    def __contains__(self, key: Key) -> bool:
        return key in self._tier

    def read(self, brand: str, version: str) -> ModelFiles:
        """The verified files of a model version, from disk or else from the store.

        What is corrupt on disk is fetched once more. Raises ModelUnavailable when the version does not
        exist, its files stay corrupt, or they are not here and the store does not answer; EngineFull when
        the disk is.
        """
        if not (_NAME.match(brand) and _NAME.match(version)):
            raise ModelUnavailable(f"{brand[:80]!r} version {version[:80]!r} is no name of a model version")
        key = brand, version
        try:
            files = self._read(key)
        except _CorruptFileError as error:
            log.warning("cached model is fetched again", brand=brand, version=version, reason=str(error))
            self._tier.drop(key)
            try:
                files = self._read(key)
            except _CorruptFileError as again:
                self._tier.drop(key)
                raise ModelUnavailable(
                    f"Version {version!r} of brand {brand!r} is corrupt in the object store: {again}. "
                    "Roll back to another version or train again"
                ) from again
        self._look_again()
        return files

    def note_rank(self, key: Key) -> None:
        """Writes down how much a model is wanted, for processes to come."""
        rank = self._popularity.rank(key)
        with contextlib.suppress(OSError):
            os.utime(self._place(key), (rank, rank))

    def _place(self, key: Key) -> Path:
        return self._folder / key[0] / key[1]

    def _read(self, key: Key) -> ModelFiles:
        with self._tier.borrow(key) as place:
            try:
                described = (place / DESCRIPTION_FILE).read_bytes()
                weights = (place / WEIGHTS_FILE).read_bytes()
            except FileNotFoundError as error:
                # Another process gave it up, or somebody deleted files.
                raise _CorruptFileError(f"{error.filename} is gone") from error
        try:
            description = ModelDescription.model_validate_json(described)
        except ValidationError as error:
            raise _CorruptFileError(f"model.json cannot be read ({error.error_count()} errors)") from error
        expected = description.files.get(WEIGHTS_FILE)
        actual = hashlib.sha256(weights).hexdigest()
        if actual != expected:
            raise _CorruptFileError(
                f"{WEIGHTS_FILE} has SHA-256 {actual[:12]}…, model.json says {expected!r}"
            )
        return ModelFiles(description, weights)

    def _fetch(self, key: Key) -> tuple[Path, int]:
        """Brings a version from the store into its place. Raises MemoryError when the disk is full."""
        place = self._place(key)
        if _measure(place) == 0:
            aside = self._set_aside()
            try:
                for name in (DESCRIPTION_FILE, WEIGHTS_FILE):
                    self._get(key, aside / name)
                place.parent.mkdir(exist_ok=True)
                try:
                    aside.rename(place)
                except OSError as error:
                    # Another process may have been faster: what it fetched is as good.
                    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                        raise
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        self.note_rank(key)
        size = _measure(place)
        self._added += size
        return place, size

    def _get(self, key: Key, path: Path) -> None:
        brand, version = key
        try:
            self._store.get_file(LIVE, model_folder(brand, version) + path.name, path)
        except NotFound as error:
            raise ModelUnavailable(
                f"Brand {brand!r} has no live version {version!r}: {path.name} is missing"
            ) from error
        except StoreUnavailable as error:
            raise ModelUnavailable(
                f"Version {version!r} of brand {brand!r} is not cached and the store does not answer"
            ) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise MemoryError(f"{path} does not fit on the disk") from error
            raise

    def _remove(self, _key: Key, place: Path) -> None:
        """Deletes a version; who reads it meanwhile finds it whole or not at all."""
        try:
            aside = self._set_aside()
            place.rename(aside / "old")
        except OSError:  # gone already, or a disk so full that it takes no folder
            aside = place
        shutil.rmtree(aside, ignore_errors=True)

    def _set_aside(self) -> Path:
        aside = self._folder / f"{ASIDE}{secrets.token_hex(8)}"
        aside.mkdir()
        return aside

    def _look_again(self) -> None:
        """Looks what others have done, once enough was added here."""
        if self._added < self._tier.limit_bytes * LOOK_SHARE or not self._look_lock.acquire(blocking=False):
            return
        try:
            self._look()
        finally:
            self._look_lock.release()

    def _look(self) -> None:
        """Makes the tier hold what the folder holds, and keeps the folder within the limit."""
        self._added = 0
        found: set[Key] = set()
        before = set(self._tier.keys())
        for parent in _list_folders(self._folder):
            if parent.name.startswith(ASIDE):
                _remove_leftover(Path(parent.path))
                continue
            for place in _list_folders(parent.path):
                key = parent.name, place.name
                found.add(key)
                if key not in before:
                    with contextlib.suppress(OSError):
                        self._popularity.remember(key, place.stat().st_mtime)
                    self._tier.adopt(key, Path(place.path), _measure(Path(place.path)))
        for key in before - found:
            self._tier.forget(key)
        self._tier.shrink(self._tier.limit_bytes)


def _list_folders(path: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return [entry for entry in entries if entry.is_dir()]
    except OSError:
        return []


def _measure(place: Path) -> int:
    """Bytes of the files in a folder; 0 when there is none."""
    try:
        with os.scandir(place) as entries:
            return sum(entry.stat().st_size for entry in entries)
    except OSError:
        return 0


def _remove_leftover(aside: Path) -> None:
    with contextlib.suppress(OSError):
        if aside.stat().st_mtime < time.time() - LEFT_SECONDS:
            shutil.rmtree(aside, ignore_errors=True)


class _CorruptFileError(Exception):
    """A file on disk is not what its model.json says."""
