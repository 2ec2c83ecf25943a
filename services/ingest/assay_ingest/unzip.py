"""Reading a .zip that may be hostile: nothing of it is believed before it is checked, and no member is
written anywhere under a name of its own."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assay_ingest.names import find_fault
from assay_shared.errors import AssayError

MAX_RATIO = 100
"""Unpacked bytes for each packed one. Deflate reaches 1,032; label files of real data sets about 10."""
RATIO_MATTERS_BYTES = 50_000_000
"""Below this a high ratio does no harm."""
_ENCRYPTED = 0x1
_JUNK = {".DS_Store", "Thumbs.db", "desktop.ini"}
_CHUNK = 1 << 20


class ArchiveRefused(AssayError):
    """An archive cannot be taken; `code` is a stable slug, the detail names the member."""

    type = "archive-refused"
    title = "The archive was refused"
    status = 422

    def __init__(self, detail: str = "", code: str = "archive-invalid", **extra: object) -> None:
        super().__init__(detail, code=code, **extra)
        self.code = code


@dataclass(frozen=True)
class Limits:
    """What an archive may hold: number of members, bytes of one and of all, unpacked."""

    members: int
    member_bytes: int
    total_bytes: int


class Archive:
    """The files in an archive by name, with forward slashes; folders and litter of desktops left out."""

    def __init__(self, file: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> None:
        self._file = file
        self._members = members

    @property
    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._members)

    def read(self, name: str) -> bytes:
        """The bytes of a member. Raises ArchiveRefused `archive-broken`."""
        return b"".join(self._chunks(name))

    def verify(self) -> None:
        """Unpacks everything once, keeping nothing, so that a broken member is found before any is used.

        Raises ArchiveRefused `archive-broken`.
        """
        for name in self.names:
            for _chunk in self._chunks(name):
                pass

    def _chunks(self, name: str) -> Iterator[bytes]:
        info, size = self._members[name], 0
        try:
            with self._file.open(info) as stream:
                while chunk := stream.read(_CHUNK):
                    size += len(chunk)
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
            raise ArchiveRefused(
                f"{name!r} in the archive is damaged ({error}). Pack it again.", code="archive-broken"
            ) from error
        if size != info.file_size:
            raise ArchiveRefused(
                f"{name!r} in the archive is cut off: {size} of {info.file_size} bytes. Pack it again.",
                code="archive-broken",
            )


@contextmanager
def open_archive(path: Path, limits: Limits) -> Iterator[Archive]:
    """Opens a .zip whose directory keeps the limits. Raises ArchiveRefused."""
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise ArchiveRefused(
            f"The file is no .zip archive, or it is cut off ({error}). Pack it again.", code="archive-broken"
        ) from error
    with file:
        infos = file.infolist()
        if len(infos) > limits.members:
            raise ArchiveRefused(
                f"The archive holds {len(infos)} files; {limits.members} are taken. Split it.",
                code="too-many-members",
            )
        yield Archive(file, _select(infos, limits, path.stat().st_size))


def _select(infos: list[zipfile.ZipInfo], limits: Limits, packed: int) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.replace("\\", "/")
        if info.is_dir() or name.endswith("/") or _is_litter(name):
            continue
        _check_member(name, info, limits)
        if name in members:
            raise ArchiveRefused(f"The archive holds {name!r} twice. Pack it again.")
        members[name] = info
    total = sum(info.file_size for info in members.values())
    if total > limits.total_bytes:
        raise ArchiveRefused(
            f"The archive unpacks to {total / 1e6:.0f} MB; {limits.total_bytes / 1e6:.0f} MB are taken. "
            "Split it.",
            code="too-large",
        )
    if total > RATIO_MATTERS_BYTES and total > packed * MAX_RATIO:
        raise ArchiveRefused(
            f"The archive unpacks to {total / packed:.0f} times its size, which no set of pictures does",
            code="decompression-bomb",
        )
    if not members:
        raise ArchiveRefused("The archive is empty")
    return members


def _check_member(name: str, info: zipfile.ZipInfo, limits: Limits) -> None:
    fault = find_fault(name)
    if fault or ":" in name.partition("/")[0]:
        raise ArchiveRefused(
            f"The archive's member {name[:200]!r} leads elsewhere: {fault or 'it names a drive'}",
            code="unsafe-member",
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise ArchiveRefused(f"The archive's member {name!r} is a link; pack the file", code="unsafe-member")
    if info.flag_bits & _ENCRYPTED:
        raise ArchiveRefused(f"The archive's member {name!r} is encrypted; pack it without a password")
    if info.file_size > limits.member_bytes:
        raise ArchiveRefused(
            f"{name!r} in the archive has {info.file_size / 1e6:.1f} MB; one file may have "
            f"{limits.member_bytes / 1e6:.1f} MB",
            code="too-large",
        )


def _is_litter(name: str) -> bool:
    parts = name.split("/")
    return "__MACOSX" in parts or parts[-1] in _JUNK or parts[-1].startswith("._")
