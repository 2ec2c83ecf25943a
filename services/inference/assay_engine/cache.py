"""The disk tier: files of model versions, fetched from bucket `live`, verified, kept for the next start."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from assay_engine.errors import ModelUnavailable
from assay_shared import logs
from assay_shared.errors import NotFound, StoreUnavailable
from assay_shared.keys import LIVE, model_folder
from assay_shared.model_description import DESCRIPTION_FILE, WEIGHTS_FILE, ModelDescription

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")

log = logs.get_logger(__name__)


class Store(Protocol):
    """What the cache needs of the object store (`assay_shared.storage.ObjectStore` has it)."""

    def get_file(self, bucket: str, key: str, path: Path) -> None:
        """Fetches an object into a file, whole or not at all."""


@dataclass(frozen=True)
class ModelFiles:
    """One model version on disk, its weights' hash verified."""

    description: ModelDescription
    weights: Path


class ModelCache:
    """Model versions under one folder, `{brand}/{version}/`, at most `limit_bytes` in all.

    Versions are immutable, so what is here and has the right hash is right, store or no store. When the
    limit is passed, the version used longest ago goes first. Several processes may share the folder: files
    appear whole, by rename.
    """

    def __init__(self, store: Store, folder: Path, limit_bytes: int) -> None:
        self._store = store
        self._folder = folder
        self._limit = limit_bytes
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def fetch(self, brand: str, version: str) -> ModelFiles:
        """The files of a model version, from disk or else from the store.

        What is corrupt on disk is fetched once more. Raises ModelUnavailable when the version does not
        exist, its files stay corrupt, or they are not here and the store does not answer.
        """
        if not (_NAME.match(brand) and _NAME.match(version)):
            raise ModelUnavailable(f"{brand[:80]!r} version {version[:80]!r} is no name of a model version")
        place = self._folder / brand / version
        try:
            found = self._read(brand, version, place)
        except _CorruptFileError as error:
            log.warning("cached model is fetched again", brand=brand, version=version, reason=str(error))
            shutil.rmtree(place, ignore_errors=True)
            try:
                found = self._read(brand, version, place)
            except _CorruptFileError as again:
                shutil.rmtree(place, ignore_errors=True)
                raise ModelUnavailable(
                    f"Version {version!r} of brand {brand!r} is corrupt in the object store: {again}. "
                    "Roll back to another version or train again"
                ) from again
        os.utime(place)
        self._shrink(keep=place)
        return found

    def _read(self, brand: str, version: str, place: Path) -> ModelFiles:
        description_path, weights = place / DESCRIPTION_FILE, place / WEIGHTS_FILE
        for path in (description_path, weights):
            if not path.exists():
                self._get(brand, version, path)
        try:
            description = ModelDescription.model_validate_json(description_path.read_bytes())
        except ValidationError as error:
            raise _CorruptFileError(f"model.json cannot be read ({error.error_count()} errors)") from error
        expected = description.files.get(WEIGHTS_FILE)
        with weights.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
        if actual != expected:
            raise _CorruptFileError(
                f"{WEIGHTS_FILE} has SHA-256 {actual[:12]}…, model.json says {expected!r}"
            )
        return ModelFiles(description, weights)

    def _get(self, brand: str, version: str, path: Path) -> None:
        key = model_folder(brand, version) + path.name
        own = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            self._store.get_file(LIVE, key, own)
            own.replace(path)
        except NotFound as error:
            raise ModelUnavailable(
                f"Brand {brand!r} has no live version {version!r}: {path.name} is missing"
            ) from error
        except StoreUnavailable as error:
            raise ModelUnavailable(
                f"Version {version!r} of brand {brand!r} is not cached and the store does not answer"
            ) from error

    def _shrink(self, keep: Path) -> None:
        """Deletes the versions used longest ago until the folder is within its limit."""
        with self._lock:
            places = [place for place in self._folder.glob("*/*") if place.is_dir()]
            sized = []
            for place in places:
                try:
                    size = sum(file.stat().st_size for file in place.iterdir())
                    sized.append((place.stat().st_mtime, size, place))
                except FileNotFoundError:
                    continue
            total = sum(size for _, size, _ in sized)
            for _, size, place in sorted(sized):
                if total <= self._limit:
                    return
                if place != keep:
                    shutil.rmtree(place, ignore_errors=True)
                    total -= size


class _CorruptFileError(Exception):
    """A file on disk is not what its model.json says."""
