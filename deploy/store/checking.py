"""Reads archives: is a backup whole, and its members one by one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from assay_shared.errors import InvalidRequest
from deploy.store.archive import Member, MemberReader, hash_member, read_members
from deploy.store.errors import ArchiveDamaged
from deploy.store.manifest import (
    DATABASE_DUMP,
    ENV,
    MANIFEST,
    FileEntry,
    Manifest,
    ObjectEntry,
    parse_manifest,
)


@dataclass(frozen=True)
class Backup:
    """An archive with its manifest, and where each member that counts lies."""

    path: Path
    manifest: Manifest
    members: dict[str, Member]


def open_backup(path: Path) -> Backup:
    """Finds the manifest and the members by their headers; reads no object. Raises ArchiveDamaged when one
    that counts is missing or has another size."""
    members: dict[str, Member] = {}
    for member in read_members(path):
        if member.name in members:
            raise ArchiveDamaged(f"{path}: member {member.name!r} is there twice")
        members[member.name] = member
    if MANIFEST not in members:
        last = f" after {list(members)[-1]!r}" if members else ""
        raise ArchiveDamaged(
            f"{path}: member {MANIFEST!r} is missing: the file is cut short{last}, or the backup not finished"
        )
    with MemberReader(path, members[MANIFEST]) as reader:
        manifest = parse_manifest(path, reader.read(-1))
    for name, entry in _listed(manifest).items():
        if name not in members:
            raise ArchiveDamaged(f"{path}: member {name!r} is missing")
        if members[name].size != entry.size:
            raise ArchiveDamaged(
                f"{path}: member {name!r} has {members[name].size} bytes, the manifest says {entry.size}"
            )
    return Backup(path, manifest, members)


def check_backup(path: Path) -> Backup:
    """Reads the archive whole and compares every hash with the manifest. Raises ArchiveDamaged."""
    backup = open_backup(path)
    listed = _listed(backup.manifest)
    # In the order of the file: a disk reads it from start to end.
    for name, member in backup.members.items():
        if name in listed:
            _compare(backup, name, listed[name].sha256, hash_member(path, member))
    return backup


def extract(path: Path, name: str, target: BinaryIO) -> None:
    """Writes `database.dump`, `env` or `manifest.json` to a stream, its hash compared first.

    Raises ArchiveDamaged before a byte is written, InvalidRequest for another name.
    """
    if name not in (DATABASE_DUMP, ENV, MANIFEST):
        raise InvalidRequest(f"{name!r} cannot be extracted: {DATABASE_DUMP}, {ENV} or {MANIFEST} can")
    backup = open_backup(path)
    member = backup.members[name]
    digest = hash_member(path, member)
    if name != MANIFEST:
        _compare(backup, name, backup.manifest.files[name].sha256, digest)
    with MemberReader(path, member) as reader:
        again = hashlib.sha256()
        while data := reader.read():
            again.update(data)
            target.write(data)
    target.flush()
    _compare(backup, name, digest, again.hexdigest())


def _listed(manifest: Manifest) -> dict[str, ObjectEntry | FileEntry]:
    return {**manifest.files, **{entry.member: entry for entry in manifest.objects}}


def _compare(backup: Backup, name: str, wanted: str, found: str) -> None:
    if wanted != found:
        raise ArchiveDamaged(f"{backup.path}: member {name!r} is damaged: its SHA-256 is not the manifest's")
