"""The child process of one run: `python -m assay_trainer.train_child FOLDER`.

Reads `job.json` (job.py) in the folder, tells events as JSON lines on standard output, and talks to nobody
else. SIGTERM, or the end of standard input (the worker has died), stops it after the batch at hand.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from pydantic import BaseModel

from assay_shared.errors import AssayError
from assay_trainer.job import (
    JOB_FILE,
    REQUEUE_EXIT,
    CheckpointEvent,
    DoneEvent,
    FailedEvent,
    Job,
    LogEvent,
    ProgressEvent,
    StateEvent,
)

# Standard output is the channel to the worker: whatever a library prints goes to standard error instead.
_channel = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)
_stop = threading.Event()


def main() -> int:
    """Runs the job; the exit status is 0, REQUEUE_EXIT, or 1 after a FailedEvent."""
    signal.signal(signal.SIGTERM, _note_signal)
    threading.Thread(target=_watch_parent, daemon=True).start()
    folder = Path(sys.argv[1])
    job = Job.model_validate_json((folder / JOB_FILE).read_bytes())
    _tell(StateEvent(state="preparing"))
    from assay_trainer.training import Stopped  # torch, seconds

    try:
        _run(job, folder)
    except Stopped:
        return REQUEUE_EXIT
    except AssayError as error:
        _tell(FailedEvent(reason=error.detail))
        return 1
    except MemoryError:
        _tell(FailedEvent(reason="Out of memory: choose a smaller batch or image size"))
        return 1
    return 0


def _run(job: Job, folder: Path) -> None:
    from assay_trainer.base_weights import find_bundled
    from assay_trainer.dataset import write_dataset
    from assay_trainer.package import package_model
    from assay_trainer.prepare import prepare_dataset
    from assay_trainer.training import Callbacks, train_detector

    base_weights = job.base_weights or find_bundled(job.options.architecture)
    dataset, told = prepare_dataset(job.dataset, job.images)
    job = job.model_copy(update={"dataset": dataset})
    for line in [*told, *(f"warning: {warning.advice}" for warning in dataset.warnings)]:
        _tell(LogEvent(line=line))
    data = write_dataset(job.dataset, job.images, folder / "dataset", job.options.image_size)
    train = sum(item.split == "train" for item in job.dataset.items)
    _tell(LogEvent(line=f"{train} pictures to learn from, {len(job.dataset.items) - train} held out"))
    if job.checkpoint is not None:
        _tell(LogEvent(line=f"resuming from {job.checkpoint.name}"))
    _tell(StateEvent(state="training"))
    callbacks = Callbacks(
        progress=lambda progress: _tell(ProgressEvent(progress=progress)),
        checkpoint=lambda epoch, path: _tell(CheckpointEvent(epoch=epoch, path=path)),
        stopping=_stop.is_set,
    )
    model, history = train_detector(
        data,
        job.options,
        base_weights,
        folder / "training",
        callbacks,
        checkpoint=job.checkpoint,
        device=job.device,
    )
    # Where they were left to the trainer.
    options = job.options.model_copy(update={"epochs": history[-1].epochs})
    job = job.model_copy(update={"options": options})
    _tell(StateEvent(state="evaluating"))
    weights_sha256 = hashlib.sha256(base_weights.read_bytes()).hexdigest() if base_weights.is_file() else ""
    package_model(job, model, history, {"name": base_weights.name, "sha256": weights_sha256})
    _tell(DoneEvent(folder=job.folder))


def _tell(event: BaseModel) -> None:
    _channel.write(event.model_dump_json() + "\n")
    _channel.flush()


def _note_signal(_number: int, _frame: FrameType | None) -> None:
    _stop.set()


def _watch_parent() -> None:
    # os.read, for a thread inside sys.stdin would hold its lock when the interpreter ends.
    while os.read(0, 4096):
        pass
    # Nobody will ever read our result: the run's next owner resumes from the last stored checkpoint.
    os._exit(REQUEUE_EXIT)


if __name__ == "__main__":
    sys.exit(main())
