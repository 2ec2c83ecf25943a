"""Training beside the worker: files fetched, a child process watched, checkpoints stored."""

from __future__ import annotations

import threading
from pathlib import Path

from assay_shared.errors import StoreUnavailable
from assay_shared.storage import ObjectStore
from assay_shared.wire import Lease
from assay_trainer.backend import RunEnd
from assay_trainer.child import ChildEnd, ChildProcess
from assay_trainer.heartbeat import Pulse
from assay_trainer.job import (
    JOB_FILE,
    CheckpointEvent,
    ChildEvent,
    Job,
    LogEvent,
    ProgressEvent,
    StateEvent,
)
from assay_trainer.model_store import (
    fetch_checkpoint,
    fetch_images,
    fetch_model,
    find_base_weights,
    store_checkpoint,
)

POLL_SECONDS = 0.2
STOP_SECONDS = 60.0
"""From the request to save until the child is killed."""


class LocalBackend:
    """Trains in a child process of this worker. `device` is `auto`, `cpu`, or a CUDA index."""

    def __init__(self, store: ObjectStore, pretrained_weights: str, device: str) -> None:
        self._store, self._pretrained_weights, self._device = store, pretrained_weights, device

    def start(self, lease: Lease, work: Path, pulse: Pulse) -> LocalRun:
        """Fetches what the run needs and starts its child, from the newest checkpoint if there is one.

        Raises InputMissing and StoreUnavailable.
        """
        base_weights = find_base_weights(self._pretrained_weights, self._store, work)
        fetch_images(self._store, lease.dataset, work / "images")
        job = Job(
            run=lease.run,
            brand=lease.brand,
            version=lease.model_version,
            options=lease.options,
            dataset=lease.dataset,
            images=work / "images",
            folder=work / "model",
            base_weights=base_weights,
            checkpoint=fetch_checkpoint(self._store, lease.brand, lease.model_version, work),
            live_folder=fetch_model(self._store, lease.brand, lease.live_version, work / "live"),
            device=self._device,
        )
        (work / JOB_FILE).write_text(job.model_dump_json())
        return LocalRun(lease, self._store, work, pulse)


class LocalRun:
    """One run in a child process."""

    interval = POLL_SECONDS

    def __init__(self, lease: Lease, store: ObjectStore, work: Path, pulse: Pulse) -> None:
        self.news = threading.Event()
        self._lease, self._store, self._pulse = lease, store, pulse
        self._child = ChildProcess(work, self._handle, pulse.log)

    def poll(self) -> RunEnd | None:
        """The end, when the child has ended."""
        end = self._child.wait(0)
        return None if end is None else _name(end)

    def cancel(self) -> None:
        """Ends the child."""
        self._child.stop(STOP_SECONDS)

    def pause(self) -> RunEnd:
        """Has the child save and end; the run's next owner resumes from the checkpoint. A child that was done
        just then is done."""
        return _name(self._child.stop(STOP_SECONDS))

    def abandon(self) -> None:
        """Kills the child."""
        self._child.kill()

    def clean(self) -> None:
        """Nothing is left but the work folder, which is the caller's."""

    def _handle(self, event: ChildEvent) -> None:
        match event:
            case ProgressEvent(progress=progress):
                self._pulse.progress(progress)
            case StateEvent(state=state):
                self._pulse.state(state)
            case LogEvent(line=text):
                self._pulse.log(text)
            case CheckpointEvent(epoch=epoch, path=path):
                self._store_checkpoint(epoch, path)

    def _store_checkpoint(self, epoch: int, path: Path) -> None:
        try:
            store_checkpoint(self._store, self._lease.brand, self._lease.model_version, epoch, path)
        except StoreUnavailable as error:
            # The next epoch's checkpoint will do; training need not wait for the store.
            self._pulse.log(f"checkpoint of epoch {epoch} not stored: {error.detail}")
        except FileNotFoundError:
            # The child keeps the newest few only, and this one's turn came late: a newer one follows.
            self._pulse.log(f"checkpoint of epoch {epoch} was replaced before it was stored")


def _name(end: ChildEnd) -> RunEnd:
    if end.outcome == "done":
        return RunEnd("done", folder=end.folder)
    # Killed from outside, most often for memory: the registry gives up after some attempts.
    return RunEnd("failed" if end.outcome == "failed" else "requeue", end.reason)
