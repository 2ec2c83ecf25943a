"""Keeps ultralytics from calling out. Import this before anything of ultralytics."""

from __future__ import annotations

import os
import shutil
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
        os.environ["YOLO_CONFIG_DIR"] = str(Path(tempfile.gettempdir()) / f"assay-ultralytics-{os.getuid()}")
    folder = Path(os.environ["YOLO_CONFIG_DIR"]) / "Ultralytics"
    font = folder / "Arial.ttf"
    if not font.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        import matplotlib

        shutil.copyfile(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", font)


prepare_ultralytics()
