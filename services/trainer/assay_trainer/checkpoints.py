"""Checkpoints of a training: one file an epoch, from which it goes on as if never stopped."""

from __future__ import annotations

import tarfile
from pathlib import Path

from assay_shared.detector import offline as offline  # before ultralytics
from assay_shared.wire import Progress
from assay_trainer.checkpoint_files import CHECKPOINT_FILES, HISTORY, HISTORY_FILE

KEPT_CHECKPOINTS = 2


def pack_checkpoint(folder: Path, epoch: int, history: list[Progress]) -> Path:
    """Packs `{folder}/weights/last.pt` and the history into a file of `{folder}/checkpoints`, of which the
    newest KEPT_CHECKPOINTS are kept; returns its path."""
    (folder / "weights" / HISTORY_FILE).write_bytes(HISTORY.dump_json(history))
    checkpoints = folder / "checkpoints"
    checkpoints.mkdir(exist_ok=True)
    path = checkpoints / f"epoch-{epoch:05d}.tar"
    partial = path.with_suffix(".partial")
    with tarfile.open(partial, "w") as archive:
        for name in CHECKPOINT_FILES:
            if (folder / "weights" / name).exists():
                archive.add(folder / "weights" / name, name)
    partial.replace(path)
    for old in sorted(checkpoints.glob("epoch-*.tar"))[:-KEPT_CHECKPOINTS]:
        old.unlink()
    return path


def read_history(weights: Path) -> list[Progress]:
    """The progress of every epoch so far; none without the file."""
    path = weights / HISTORY_FILE
    return HISTORY.validate_json(path.read_bytes()) if path.exists() else []


def unpack_checkpoint(checkpoint: Path, weights: Path) -> None:
    """Puts the files of a checkpoint into a folder; what else it holds is ignored."""
    weights.mkdir(parents=True, exist_ok=True)
    with tarfile.open(checkpoint) as archive:
        for member in archive:
            # By name, not extractall: its filter came with Python 3.11.4, and Debian 12 has 3.11.2.
            content = archive.extractfile(member) if member.name in CHECKPOINT_FILES else None
            if content is not None:
                (weights / member.name).write_bytes(content.read())
