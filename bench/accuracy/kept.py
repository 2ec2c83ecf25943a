"""Results on disk: whole files only, named by all that they depend on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType

KEY = 10
"""Hexadecimal digits of a key."""


def hash_sources(*sources: Path) -> str:
    """A key of what the Python files say, those of a folder included: other sources, other results."""
    digest = hashlib.sha256()
    for source in sources:
        for path in sorted(source.rglob("*.py")) if source.is_dir() else [source]:
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:KEY]


def find_source(module: ModuleType) -> Path:
    """The file of a module, the folder of a package."""
    assert module.__file__ is not None
    path = Path(module.__file__)
    return path.parent if path.name == "__init__.py" else path


def keep(path: Path, data: bytes) -> None:
    """Writes a file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(data)
    partial.replace(path)
