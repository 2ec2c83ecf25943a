"""Keeps ultralytics from calling out. Import this before anything of ultralytics."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path


def prepare_ultralytics() -> None:
    """Sets ultralytics' environment: no network, no self-installs, a settings folder of its own.

    It looks for a font at `$YOLO_CONFIG_DIR/Ultralytics/Arial.ttf` and would download one; matplotlib's
    DejaVu Sans takes its place. An operator's own setting of any of these wins.
    """
    os.environ.setdefault("YOLO_OFFLINE", "1")
    os.environ.setdefault("YOLO_AUTOINSTALL", "0")
    os.environ.setdefault("YOLO_VERBOSE", "False")
    os.environ.setdefault("ULTRALYTICS_SAFE_LOAD", "1")
    if "YOLO_CONFIG_DIR" not in os.environ:
        os.environ["YOLO_CONFIG_DIR"] = str(_own_folder())
    folder = Path(os.environ["YOLO_CONFIG_DIR"]) / "Ultralytics"
    font = folder / "Arial.ttf"
    if not font.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        import matplotlib

        # Renamed into place, for several processes may start at once.
        partial = folder / f"Arial.{os.getpid()}.partial"
        shutil.copyfile(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", partial)
        partial.replace(font)


def _own_folder() -> Path:
    """One folder a user, which outlives the process; a fresh one where somebody else took its name."""
    folder = Path(tempfile.gettempdir()) / f"assay-ultralytics-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="assay-ultralytics-"))
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022:
        return folder
    return Path(tempfile.mkdtemp(prefix="assay-ultralytics-"))


prepare_ultralytics()
