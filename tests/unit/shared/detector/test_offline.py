"""ultralytics is kept from the network, with a settings folder that is the user's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import socket
def refuse(*arguments, **options):
    raise AssertionError("a network call")
socket.socket.connect = socket.getaddrinfo = refuse
from assay_shared.detector import offline
from ultralytics.utils.checks import check_font
import os
check_font("Arial.ttf")
print(os.environ["YOLO_CONFIG_DIR"])
"""


def prepare(temporary: Path, **settings: str) -> Path:
    """Prepares ultralytics in a process of its own; the settings folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("YOLO_")}
    environment |= {"TMPDIR": str(temporary)} | settings
    run = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return Path(run.stdout.splitlines()[-1])


def test_a_private_folder_with_a_font(tmp_path: Path) -> None:
    folder = prepare(tmp_path)
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "Ultralytics/Arial.ttf").stat().st_size > 100_000
    assert not list((folder / "Ultralytics").glob("*.partial"))


def test_a_folder_that_somebody_else_took_is_not_used(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    taken = tmp_path / f"assay-ultralytics-{os.getuid()}"
    taken.symlink_to(elsewhere)
    assert prepare(tmp_path) != taken
    assert not list(elsewhere.iterdir())


def test_an_operators_own_folder_wins(tmp_path: Path) -> None:
    own = tmp_path / "own"
    assert prepare(tmp_path, YOLO_CONFIG_DIR=str(own)) == own
