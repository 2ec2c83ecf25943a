"""A backup in two phases: all that is large while everything runs, the rest while the writers are paused.

Between the phases lies `FILE.index`, a line for each object that phase 1 stored, so that phase 2 need neither
read the archive again nor fetch what has not changed. An object of images, quarantine, models or live that
was overwritten since is stored again under `changed/`; which member counts, the manifest says.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import orjson
from pydantic import ValidationError

from assay_shared.errors import Conflict, InvalidRequest, NotFound
from assay_shared.ids import utc_now
from assay_shared.keys import IMAGES, LIVE, MODELS, QUARANTINE, UPLOADS
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore, StoredObject
from deploy.store.accounts import Accounts
from deploy.store.archive import CHUNK, ArchiveWriter
from deploy.store.brand_accounts import list_credentials
from deploy.store.errors import ArchiveDamaged
from deploy.store.fetching import add_objects
from deploy.store.manifest import (
    DATABASE_DUMP,
    ENV,
    FORMAT,
    MANIFEST,
    FileEntry,
    Manifest,
    ObjectEntry,
    count,
    dump,
    parse_entry,
)

AHEAD = (IMAGES, QUARANTINE, MODELS, LIVE)
"""The buckets of phase 1. Phase 2 takes `uploads`, the inbox, whole: what lies in it changes all the time."""
FIRST, CHANGED = "objects", "changed"


def back_up_objects(settings: StoreSettings, path: Path) -> int:
    """Phase 1: the buckets `AHEAD` into a new archive; gives the number of objects.

    Raises Conflict when the file is there, StoreUnavailable; a failure leaves no file.
    """
    index = index_of(path)
    with _made(path) as file, _made(index) as lines:
        store, archive, stored = ObjectStore(settings), ArchiveWriter(file), 0
        wanted = ((found, FIRST) for bucket in AHEAD for found in _list(store, bucket))
        for entry in add_objects(archive, settings, wanted):
            lines.write(dump(entry) + b"\n")
            stored += 1
        lines.write(orjson.dumps({"end": archive.close()}) + b"\n")
    return stored


def finish_backup(
    settings: StoreSettings, path: Path, database_dump: Path | None, env: Path, *, accounts: bool
) -> Manifest:
    """Phase 2: what is new, the dump (None: from standard input), the .env file and the manifest. `accounts`:
    whether the store has those of MinIO.

    Raises NotFound or ArchiveDamaged when phase 1 is not there, InvalidRequest for an empty dump,
    StoreUnavailable; a failure leaves phase 1 as it was, and phase 2 may be run again.
    """
    known, end = _read_index(path)
    created, store = utc_now(), ObjectStore(settings)
    objects: list[ObjectEntry] = []
    with path.open("r+b") as file:
        archive = ArchiveWriter(file, end)
        with _database_dump(path, database_dump) as dump_file:
            files = {DATABASE_DUMP: _add_file(archive, DATABASE_DUMP, dump_file)}
        with env.open("rb") as env_file:
            files[ENV] = _add_file(archive, ENV, env_file)

        def wanted() -> Iterator[tuple[StoredObject, str]]:
            for bucket in (UPLOADS, *AHEAD):
                for found in _list(store, bucket):
                    before = known.get((bucket, found.key))
                    if before and (before.etag, before.size) == (found.etag, found.size):
                        objects.append(before)
                    else:
                        yield found, CHANGED if before else FIRST

        objects.extend(add_objects(archive, settings, wanted()))
        objects.sort(key=lambda entry: (entry.bucket, entry.key))
        access_keys = list_credentials(Accounts(settings)) if accounts else []
        manifest = Manifest(FORMAT, created, count(objects), access_keys, files, objects)
        data = dump(manifest)
        archive.add(MANIFEST, io.BytesIO(data), len(data))
        archive.close()
    index_of(path).unlink()
    return manifest


def index_of(path: Path) -> Path:
    """Where phase 1 leaves its list for phase 2."""
    return path.with_name(path.name + ".index")


def _list(store: ObjectStore, bucket: str) -> Iterator[StoredObject]:
    with suppress(NotFound):
        yield from store.list(bucket)


def _read_index(path: Path) -> tuple[dict[tuple[str, str], ObjectEntry], int]:
    known, end = {}, None
    try:
        with index_of(path).open("rb") as lines:
            for line in lines:
                if line.startswith(b'{"end"'):
                    end = int(orjson.loads(line)["end"])
                else:
                    entry = parse_entry(line)
                    known[entry.bucket, entry.key] = entry
    except FileNotFoundError as error:
        raise NotFound(f"{index_of(path)} is missing: run backup-objects {path} first") from error
    except (ValidationError, ValueError, KeyError) as error:
        raise ArchiveDamaged(f"{index_of(path)} is damaged; begin again with backup-objects") from error
    if end is None or not path.exists() or path.stat().st_size < end:
        raise ArchiveDamaged(f"{path} is not whole: backup-objects was cut short; begin again with it")
    return known, end


@contextmanager
def _database_dump(path: Path, given: Path | None) -> Iterator[BinaryIO]:
    """The dump as a file: a tar header says the size first, and a pipe does not tell it."""
    if given is not None:
        with given.open("rb") as file:
            yield file
        return
    spool = path.with_name(path.name + ".database")
    with suppress(FileNotFoundError):
        spool.unlink()
    try:
        with _made(spool) as file:
            shutil.copyfileobj(sys.stdin.buffer, file, CHUNK)
            file.seek(0)
            yield file
    finally:
        spool.unlink(missing_ok=True)


def _add_file(archive: ArchiveWriter, name: str, file: BinaryIO) -> FileEntry:
    size = os.fstat(file.fileno()).st_size
    if not size:
        raise InvalidRequest(f"{name} would be empty: a backup without it is none")
    return FileEntry(size, archive.add(name, file, size))


@contextmanager
def _made(path: Path) -> Iterator[BinaryIO]:
    """A new file that its owner alone may read; gone again when the work in it fails."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Conflict(f"{path} is there already; remove it or name another file") from error
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise
