"""`model.tar.gz`, unpacked: a model version's folder comes out, whatever was packed by whomever."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from assay_shared.errors import AssayError
from assay_shared.model_description import DESCRIPTION_FILE, ModelDescription

MAX_BYTES = 1 << 30
"""Unpacked, all together; a model version of YOLOv5s with reports and its checkpoint has about 0.1 GB."""
MAX_FILES = 10_000
MAX_HEADER = 1 << 20
"""Bytes that tarfile may ask for at once. Long names are read whole into memory, however long they say they
are."""
CHECKPOINT = re.compile(r"training/epoch-\d{5}\.tar")
DAMAGED = (OSError, EOFError, zlib.error, tarfile.TarError, ValueError)


class ArtifactUnusable(AssayError):
    """What the job left is not a model version, or holds what no model version does."""

    type = "artifact-unusable"
    title = "The training job's model cannot be used"
    status = 422


def unpack_artifact(archive: Path, folder: Path, brand: str, version: str, run: str) -> Path:
    """Unpacks a job's `model.tar.gz` into a new folder; returns it. It is the version of this run, holds what
    its `model.json` names with those SHA-256, its last checkpoint, and nothing else.

    Raises ArtifactUnusable; what was written by then is inside `folder`.
    """
    folder.mkdir(parents=True)
    plain = folder.with_name(folder.name + ".tar")
    try:
        _decompress(archive, plain)
        with _Careful(plain) as file, tarfile.open(fileobj=file, mode="r:") as members:
            for number, member in enumerate(members):
                if number >= MAX_FILES:
                    raise ArtifactUnusable(f"The model holds more than {MAX_FILES} files")
                _unpack(members, member, folder)
    except DAMAGED as error:
        raise ArtifactUnusable(f"The job's model.tar.gz cannot be read: {error}") from error
    finally:
        plain.unlink(missing_ok=True)
    _check(folder, brand, version, run)
    return folder


class _Careful(io.FileIO):
    """A file that does not give much at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or size > MAX_HEADER:
            raise ArtifactUnusable("The job's model.tar.gz has a header that no file of a model needs")
        return super().read(size) or b""


def _decompress(archive: Path, plain: Path) -> None:
    left = MAX_BYTES
    with gzip.open(archive) as source, plain.open("wb") as target:
        while chunk := source.read(1 << 20):
            left -= len(chunk)
            if left < 0:
                raise ArtifactUnusable(f"The model is larger than {MAX_BYTES >> 20} MB")
            target.write(chunk)


def _unpack(members: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """One member. What it may be: a directory, or a plain file whose name has no way out of the folder."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\0" in member.name or "\\" in member.name:
        raise ArtifactUnusable(f"The model holds a file outside of its folder: {member.name[:200]!r}")
    if member.isdir():
        return
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or not name.parts:
        raise ArtifactUnusable(f"The model holds something that is no plain file: {member.name[:200]!r}")
    path = folder / name
    content = members.extractfile(member)
    if content is None:
        raise ArtifactUnusable(f"The model holds an empty entry: {member.name[:200]!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Nothing of the same name: no file is ever written through what an earlier member has made.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        while chunk := content.read(1 << 18):
            target.write(chunk)


def _check(folder: Path, brand: str, version: str, run: str) -> None:
    path = folder / DESCRIPTION_FILE
    try:
        description = ModelDescription.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ArtifactUnusable(f"The job's model has no {DESCRIPTION_FILE} that can be read") from error
    said = (description.brand, description.version, description.run)
    if said != (brand, version, run):
        raise ArtifactUnusable(f"The job's model is that of another run: it says {', '.join(said)}")
    for name in sorted(one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()):
        if name == DESCRIPTION_FILE or (CHECKPOINT.fullmatch(name) and name not in description.files):
            continue
        if description.files.get(name) != _hash(folder / name):
            raise ArtifactUnusable(f"The job's model holds {name}, which its {DESCRIPTION_FILE} does not say")
    missing = [name for name in description.files if not (folder / name).is_file()]
    if missing:
        raise ArtifactUnusable(f"The job's model lacks {missing[0]}, which its {DESCRIPTION_FILE} names")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
