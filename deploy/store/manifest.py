"""What a backup holds: `manifest.json`, its last member. What is not in it does not count at a restore."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import orjson
from pydantic import TypeAdapter, ValidationError

from assay_shared.keys import BUCKETS
from deploy.store.errors import ArchiveDamaged

MANIFEST, DATABASE_DUMP, ENV = "manifest.json", "database.dump", "env"
FORMAT: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """One object: `size` in bytes, `part_size` that of the parts in which it was sent, None for one put
    whole, and the `member` of the archive that holds its newest bytes."""

    bucket: str
    key: str
    size: int
    etag: str
    content_type: str
    part_size: int | None
    sha256: str
    member: str


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A member that is no object: `size` in bytes."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Total:
    """What a bucket holds."""

    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """All of a backup. `created` is when the second phase began, in UTC; `files` has `database.dump` and
    `env`."""

    format: Literal[1]
    created: datetime
    totals: dict[str, Total]
    brand_access_keys: list[str]
    files: dict[str, FileEntry]
    objects: list[ObjectEntry]


_MANIFEST: TypeAdapter[Manifest] = TypeAdapter(Manifest)
_OBJECT: TypeAdapter[ObjectEntry] = TypeAdapter(ObjectEntry)


def count(objects: list[ObjectEntry]) -> dict[str, Total]:
    """Objects and bytes of every bucket."""
    sizes: dict[str, list[int]] = {bucket: [] for bucket in BUCKETS}
    for entry in objects:
        sizes[entry.bucket].append(entry.size)
    return {bucket: Total(len(found), sum(found)) for bucket, found in sizes.items()}


def dump(value: Manifest | ObjectEntry) -> bytes:
    """As JSON, on one line; times are RFC 3339 in UTC."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def parse_manifest(path: Path, data: bytes) -> Manifest:
    """Reads the `manifest.json` of an archive. Raises ArchiveDamaged."""
    try:
        found = _MANIFEST.validate_json(data)
    except ValidationError as error:
        raise ArchiveDamaged(f"{path}: member {MANIFEST!r} is damaged: {_first(error)}") from error
    strange = {entry.bucket for entry in found.objects} - set(BUCKETS)
    if strange or found.files.keys() != {DATABASE_DUMP, ENV} or found.totals != count(found.objects):
        raise ArchiveDamaged(f"{path}: member {MANIFEST!r} is damaged: its parts do not fit together")
    return found


def parse_entry(line: bytes) -> ObjectEntry:
    """Reads one object's line of an index. Raises pydantic's ValidationError."""
    return _OBJECT.validate_json(line)


def _first(error: ValidationError) -> str:
    problem = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(step) for step in problem['loc'])}: {problem['msg']}"
