"""Files that appear whole or not at all, in a folder that several replicas share."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from pathlib import Path

ENDING = ".partial"
LEFT_SECONDS = 3600.0
"""A file that was begun so long ago is finished by nobody: its writer was killed."""


def write_whole(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Writes a file; the last of several writers wins. `durable`: it survives a power cut once this returns,
    which takes milliseconds. Raises OSError."""
    # By chance, not by process: the replicas' containers count their processes alike.
    partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}{ENDING}")
    try:
        with partial.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def list_files(folder: Path, pattern: str) -> list[tuple[float, int, Path]]:
    """When each file was changed, its bytes, and where it is, the oldest first. Another replica may delete
    the same ones meanwhile: what is gone is left out."""
    found = []
    for path in folder.glob(pattern):
        with contextlib.suppress(FileNotFoundError):
            stat = path.stat()
            found.append((stat.st_mtime, stat.st_size, path))
    return sorted(found)


def remove_leftovers(folder: Path) -> None:
    """Deletes what killed writers left behind, in a folder and all below it; not what is being written."""
    for path in folder.rglob(f"*{ENDING}"):
        # Another replica may delete the same ones.
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - LEFT_SECONDS:
                path.unlink()
