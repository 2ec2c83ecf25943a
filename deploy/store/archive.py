"""The tar file of a backup: plain PAX, so `tar tf` reads it, written and read in streams."""

from __future__ import annotations

import hashlib
import os
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from deploy.store.errors import ArchiveDamaged

CHUNK = 1 << 20


class Readable(Protocol):
    """What bytes are read from; `read(n)` gives fewer than n only at the end."""

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        ...


class HashingReader:
    """Passes on what is read from a stream; `sha256()` is of all that was read."""

    def __init__(self, stream: Readable) -> None:
        self._stream, self._hash = stream, hashlib.sha256()

    def read(self, size: int = CHUNK) -> bytes:
        """The next bytes."""
        data = self._stream.read(size)
        self._hash.update(data)
        return data

    def sha256(self) -> str:
        """In hex."""
        return self._hash.hexdigest()


class ArchiveWriter:
    """Appends members to a file, from `offset` on, over whatever is there."""

    def __init__(self, file: BinaryIO, offset: int = 0) -> None:
        self._file = file
        self._go_to(offset)
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8")  # noqa: SIM115
        self._now = int(time.time())

    def add(self, name: str, stream: Readable, size: int) -> str:
        """Appends `size` bytes of a stream; gives their SHA-256. A member that fails leaves no trace."""
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = size, self._now, 0o600
        reader, start = HashingReader(stream), self._tar.offset
        try:
            self._tar.addfile(member, reader)
        except BaseException:
            self._go_to(start)
            self._tar.offset = start
            raise
        # tarfile remembers every member; nothing here asks for them, and there may be millions.
        self._tar.members.clear()  # type: ignore[attr-defined]
        return reader.sha256()

    def close(self) -> int:
        """Ends the archive and flushes it to the disk; gives the offset from which more may be appended."""
        end = self._tar.offset
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        return end

    def _go_to(self, offset: int) -> None:
        self._file.seek(offset)
        self._file.truncate()


@dataclass(frozen=True, slots=True)
class Member:
    """Where the bytes of a member lie in the file: `offset` and `size` in bytes."""

    name: str
    offset: int
    size: int


def member_name(folder: str, bucket: str, key: str) -> str:
    """The member of an object. A key may end with a slash, but a tar reader takes that off a name; no key
    ends with `/.`, since MinIO refuses such keys."""
    return f"{folder}/{bucket}/{key}" + ("." if key.endswith("/") else "")


def read_members(path: Path) -> Iterator[Member]:
    """All members, in the order of the file, from their headers. Raises ArchiveDamaged."""
    length, last = path.stat().st_size, "the start"
    try:
        with tarfile.open(path, "r:", encoding="utf-8") as tar:
            while (found := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]
                if not found.isreg() or found.size < 0:
                    raise ArchiveDamaged(f"{path}: member {found.name!r} is no plain file")
                if found.offset_data + found.size > length:
                    raise ArchiveDamaged(f"{path}: the file ends inside member {found.name!r}")
                last = repr(found.name)
                yield Member(found.name, found.offset_data, found.size)
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise ArchiveDamaged(f"{path}: no tar archive, or damaged after {last}: {error}") from error


class MemberReader:
    """Reads the bytes of a member; each reader has a file of its own, so threads may read at once."""

    def __init__(self, path: Path, member: Member) -> None:
        self._file = path.open("rb")
        self._file.seek(member.offset)
        self._left = member.size

    def read(self, size: int = CHUNK) -> bytes:
        """The next bytes; empty at the member's end."""
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._file.read(wanted)
        self._left -= len(data)
        return data

    def __enter__(self) -> MemberReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def hash_member(path: Path, member: Member) -> str:
    """The SHA-256 of a member's bytes, in hex."""
    with MemberReader(path, member) as source:
        reader = HashingReader(source)
        while reader.read():
            pass
        return reader.sha256()
