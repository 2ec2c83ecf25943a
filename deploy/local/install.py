"""Makes the virtual environment `.venv` from requirements.lock, once for each state of the lock.

Run by make with the system's Python and nothing but its standard library. A second run sees the stamp and
does nothing. Whatever is missing on the machine is named, with the command that brings it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
VENV = REPOSITORY / ".venv"
STAMP = VENV / "installed.sha256"
LOCK = REPOSITORY / "requirements.lock"
PACKAGES = [
    "shared",
    *(f"services/{name}" for name in ("registry", "ingest", "trainer", "inference")),
]
NEEDED_BYTES = 12 << 30
"""PyTorch's CUDA build and its libraries take 7 GB installed and 3 GB while they are unpacked."""


class NotInstalled(Exception):
    """What is missing, and what brings it."""


def install() -> None:
    """Brings `.venv` to the state of the lock. Raises NotInstalled."""
    wanted = state_of_lock()
    python = VENV / "bin" / "python"
    if python.exists() and STAMP.exists() and STAMP.read_text().strip() == wanted:
        return
    _check_machine()
    STAMP.unlink(missing_ok=True)
    if not _works([str(python), "-m", "pip", "--version"]):
        print("Making .venv", flush=True)
        _do([sys.executable, "-m", "venv", "--clear", str(VENV)], "The virtual environment could not be made")
    print("Installing requirements.lock: 6 GB of disk, some minutes the first time", flush=True)
    _install(
        python,
        ["--require-hashes", "-r", str(LOCK)],
        "The packages of requirements.lock could not be installed",
    )
    editable = [part for package in PACKAGES for part in ("-e", str(REPOSITORY / package))]
    _install(python, ["--no-build-isolation", *editable], "Assay's own packages could not be installed")
    STAMP.write_text(wanted + "\n")


def state_of_lock() -> str:
    """SHA-256 over the lock and what names our own packages, in hex."""
    sources = [LOCK, *(REPOSITORY / package / "pyproject.toml" for package in PACKAGES)]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _check_machine() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if sys.version_info < (3, 11):  # noqa: UP036  (make may find an older one)
        raise NotInstalled(f"Python 3.11 or newer is needed, this is {version}: apt-get install python3.11")
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        raise NotInstalled(f"Python's venv module is missing: apt-get install python{version}-venv (as root)")
    free = shutil.disk_usage(REPOSITORY).free
    if not VENV.exists() and free < NEEDED_BYTES:
        raise NotInstalled(
            f"{NEEDED_BYTES >> 30} GB of disk are needed for the packages, {free / 2**30:.1f} GB are free "
            f"in {REPOSITORY}"
        )


def _install(python: Path, what: list[str], failure: str) -> None:
    """By uv, which takes a third of pip's time; by pip where uv fails, for of all that a machine may have set
    for pip uv is told the index alone."""
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    install = ["install", "--quiet", "--no-deps"]
    uv, cache = VENV / "bin" / "uv", VENV / "uv-cache"
    if not uv.exists():
        alone = VENV / "uv.lock"
        alone.write_text(read_locked("uv"))
        _do([*pip, *install, "--require-hashes", "-r", str(alone)], "uv could not be installed")
    index = os.environ.get("PIP_INDEX_URL") or _ask([*pip, "config", "get", "global.index-url"])
    environment = {**os.environ, "UV_DEFAULT_INDEX": index} if index else None
    # On the disk of .venv, where it is linked to; the system's folder for temporary files may be small.
    by_uv = [str(uv), "pip", *install, "--python", str(python), "--cache-dir", str(cache), *what]
    done = subprocess.run(by_uv, stdin=subprocess.DEVNULL, env=environment, check=False).returncode == 0
    shutil.rmtree(cache, ignore_errors=True)
    if not done:
        print("uv could not do it (above); now pip", flush=True)
        _do([*pip, *install, *what], failure)


def read_locked(package: str) -> str:
    """What the lock says of one package: its version and hashes."""
    found = re.search(rf"^{package}==.*\n(?:    --hash=.*\n?)+", LOCK.read_text(), re.MULTILINE)
    if not found:
        raise NotInstalled(f"{LOCK.name} lacks {package}: make lock")
    return found[0]


def _ask(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _do(command: list[str], failure: str) -> None:
    code = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    if code:
        raise NotInstalled(f"{failure}; the reason is above")


if __name__ == "__main__":
    try:
        install()
    except NotInstalled as error:
        sys.exit(f"make: {error}")
