"""`make lock`: writes requirements.lock from the pyproject.toml files, and from it the locks of the images.

An image installs its own small lock; all of them agree with requirements.lock, which constrains them, so
what the tests run on is what the containers run on. Hashes, no addresses.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LOCK = "requirements.lock"
SERVICES = ("registry", "ingest", "trainer", "inference")
IMAGE_LOCKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "shared/requirements.lock": ("shared/pyproject.toml", ()),
    "shared/requirements-detector.lock": ("shared/pyproject.toml", ("--extra", "detector")),
    "services/registry/requirements.lock": ("services/registry/pyproject.toml", ()),
    "services/ingest/requirements.lock": ("services/ingest/pyproject.toml", ()),
    "services/trainer/requirements.lock": ("services/trainer/pyproject.toml", ()),
    "services/inference/requirements.lock": ("services/inference/pyproject.toml", ()),
    "services/inference/requirements-engine.lock": (
        "services/inference/pyproject.toml",
        ("--extra", "engine"),
    ),
}
"""Each image's lock: the pyproject.toml that it is made from, and uv's options."""


def main() -> None:
    """Writes every lock."""
    sources = ["shared/pyproject.toml", *(f"services/{name}/pyproject.toml" for name in SERVICES)]
    _compile(LOCK, sources, ["--all-extras", "--group", "pyproject.toml:dev"])
    for lock, (source, options) in IMAGE_LOCKS.items():
        _compile(lock, [source], ["--constraint", LOCK, "--no-annotate", *options])


def _compile(lock: str, sources: Sequence[str], options: Sequence[str]) -> None:
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", *sources, *options),
        *(
            "--python-version",
            "3.11",
            "--universal",
            "--generate-hashes",
            "--no-emit-package",
            "assay-shared",
        ),
        *("--no-header", "--no-emit-index-url", "--quiet", "--output-file", lock),
    ]
    subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
