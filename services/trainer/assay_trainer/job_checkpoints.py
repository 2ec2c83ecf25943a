"""Checkpoints in a folder that SageMaker keeps in step with S3, both ways, at any time.

Two names in turn, each written whole: S3 never holds more than two, and the one before the newest is there
in case the newest was cut. SageMaker copies files and never deletes, so a file an epoch would bring all of
them back to a job that goes on.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

from pydantic import ValidationError

from assay_trainer.checkpoint_files import CHECKPOINT_FILES, HISTORY, HISTORY_FILE

SLOTS = 2


def name_slot(epoch: int) -> str:
    """The file's name for a checkpoint of this epoch."""
    return f"checkpoint-{epoch % SLOTS}.tar"


def keep_checkpoint(path: Path, epoch: int, folder: Path) -> None:
    """Puts a packed checkpoint into its slot. One that is gone meanwhile is left: a newer one follows."""
    partial = folder / ".partial"
    try:
        shutil.copyfile(path, partial)
    except FileNotFoundError:
        return
    os.replace(partial, folder / name_slot(epoch))


def find_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint, by the epochs that it says are done; None without one."""
    found = [(epoch, path) for path in folder.glob("checkpoint-*.tar") if (epoch := read_epoch(path))]
    return max(found)[1] if found else None


def read_epoch(path: Path) -> int:
    """The last epoch in a packed checkpoint; 0 for one that is not whole."""
    try:
        with tarfile.open(path) as archive:
            sizes = {member.name: member.size for member in archive}
            content = archive.extractfile(HISTORY_FILE)
            history = HISTORY.validate_json(content.read()) if content is not None else []
    except (tarfile.TarError, KeyError, ValidationError, OSError, EOFError):
        return 0
    whole = all(sizes.get(name) for name in CHECKPOINT_FILES)
    return history[-1].epoch if whole and history else 0
