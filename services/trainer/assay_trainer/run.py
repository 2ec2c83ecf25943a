"""One training run, as its owner: the lease kept alive, files fetched and stored, the child watched."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path

from assay_shared.errors import AssayError, LeaseLost, StoreUnavailable
from assay_shared.logs import get_logger
from assay_shared.registry_client import RegistryClient
from assay_shared.storage import ObjectStore
from assay_shared.wire import Lease, Release
from assay_trainer.heartbeat import Pulse
from assay_trainer.job import (
    CHILD_EVENT,
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
from assay_trainer.model_store import (
    fetch_checkpoint,
    fetch_images,
    fetch_model,
    find_base_weights,
    store_checkpoint,
    store_model,
)
from assay_trainer.settings import TrainerSettings

log = get_logger(__name__)


def remove_leftovers(data_dir: Path) -> None:
    """Deletes the work folders of runs that a killed worker left behind."""
    shutil.rmtree(data_dir / "runs", ignore_errors=True)


def train_leased_run(
    lease: Lease,
    registry: RegistryClient,
    store: ObjectStore,
    settings: TrainerSettings,
    stopping: threading.Event,
) -> None:
    """Trains, evaluates and stores the model version of a leased run, then ends the lease.

    `stopping` set: the child saves and the run goes back to the queue. Nothing is raised: whatever goes
    wrong becomes the run's reason, or the run is requeued when only a part of Assay was away.
    """
    work = settings.data_dir / "runs" / lease.run
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    pulse = Pulse(lease, registry, stopping)
    pulse.start()
    try:
        release = _train(lease, store, settings, work, pulse, stopping)
    except LeaseLost:
        log.warning("lease lost, run left to its new owner", run=lease.run)
        return
    except StoreUnavailable as error:
        _wait_for_store(store, pulse, stopping)
        release = Release(token=lease.token, outcome="requeue", reason=error.detail)
    except AssayError as error:
        release = Release(token=lease.token, outcome="failed", reason=error.detail)
    except Exception as error:
        log.exception("run crashed", run=lease.run)
        release = Release(token=lease.token, outcome="failed", reason=f"{type(error).__name__}: {error}")
    finally:
        pulse.stop()
        shutil.rmtree(work, ignore_errors=True)
    pulse.end(release)


def _wait_for_store(store: ObjectStore, pulse: Pulse, stopping: threading.Event) -> None:
    """Keeps the lease while the store is away, rather than use up the run's attempts; ten minutes at most."""
    for _ in range(120):
        if stopping.wait(5) or pulse.lost.is_set() or pulse.cancelled.is_set():
            return
        try:
            store.check()
        except StoreUnavailable:
            continue
        return


def _train(
    lease: Lease,
    store: ObjectStore,
    settings: TrainerSettings,
    work: Path,
    pulse: Pulse,
    stopping: threading.Event,
) -> Release:
    base_weights = find_base_weights(settings.pretrained_weights, store, work)
    fetch_images(store, lease.dataset, work / "images")
    job = Job(
        run=lease.run,
        brand=lease.brand,
        version=lease.model_version,
        options=lease.options,
        dataset=lease.dataset,
        images=work / "images",
        folder=work / "model",
        base_weights=base_weights,
        checkpoint=fetch_checkpoint(store, lease.brand, lease.model_version, work),
        live_folder=fetch_model(store, lease.brand, lease.live_version, work / "live"),
        device=settings.device,
    )
    (work / JOB_FILE).write_text(job.model_dump_json())
    return _Child(lease, store, work, pulse, stopping).watch()


class _Child:
    """The child process of one run."""

    def __init__(
        self, lease: Lease, store: ObjectStore, work: Path, pulse: Pulse, stopping: threading.Event
    ) -> None:
        self._lease, self._store, self._pulse, self._stopping = lease, store, pulse, stopping
        self._done: Path | None = None
        self._failure: str | None = None
        self._tail: deque[str] = deque(maxlen=20)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "assay_trainer.train_child", str(work)],
            stdin=subprocess.PIPE,  # never written: the child ends when it closes, so when we die
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )

    def watch(self) -> Release:
        """Reads the child's events until it ends; the release says what became of the run."""
        over = threading.Event()
        threads = [
            threading.Thread(target=self._read_errors, daemon=True),
            threading.Thread(target=self._stop_when_told, args=(over,), daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            for line in self._process.stdout or ():
                self._handle(line)
            status = self._process.wait()
        finally:
            over.set()
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            for thread in threads:
                thread.join(timeout=5)
            self._close_pipes(threads[0].is_alive())
        return self._conclude(status)

    def _close_pipes(self, errors_are_read: bool) -> None:
        # A process that the child left behind may hold standard error open; closing it would wait for that.
        errors = None if errors_are_read else self._process.stderr
        for pipe in (self._process.stdin, self._process.stdout, errors):
            if pipe is not None:
                pipe.close()

    def _handle(self, line: str) -> None:
        try:
            event = CHILD_EVENT.validate_json(line)
        except ValueError:
            self._pulse.log(line.rstrip())
            return
        match event:
            case ProgressEvent(progress=progress):
                self._pulse.progress(progress)
            case StateEvent(state=state):
                self._pulse.state(state)
            case LogEvent(line=text):
                self._pulse.log(text)
            case CheckpointEvent(epoch=epoch, path=path):
                self._store_checkpoint(epoch, path)
            case DoneEvent(folder=folder):
                self._done = folder
            case FailedEvent(reason=reason):
                self._failure = reason

    def _store_checkpoint(self, epoch: int, path: Path) -> None:
        try:
            store_checkpoint(self._store, self._lease.brand, self._lease.model_version, epoch, path)
        except StoreUnavailable as error:
            # The next epoch's checkpoint will do; training need not wait for the store.
            self._pulse.log(f"checkpoint of epoch {epoch} not stored: {error.detail}")
        except FileNotFoundError:
            # The child keeps the newest few only, and this one's turn came late: a newer one follows.
            self._pulse.log(f"checkpoint of epoch {epoch} was replaced before it was stored")

    def _read_errors(self) -> None:
        for line in self._process.stderr or ():
            self._tail.append(line.rstrip())
            self._pulse.log(line.rstrip())

    def _stop_when_told(self, over: threading.Event) -> None:
        while not over.wait(0.2):
            if self._pulse.lost.is_set():
                self._process.kill()
                return
            if self._pulse.cancelled.is_set() or self._stopping.is_set():
                self._process.send_signal(signal.SIGTERM)
                if not over.wait(60):
                    self._process.kill()
                return

    def _conclude(self, status: int) -> Release:
        token = self._lease.token
        if self._pulse.lost.is_set():
            raise LeaseLost
        if self._pulse.cancelled.is_set():
            return Release(token=token, outcome="cancelled", reason="cancelled by the brand")
        if self._failure is not None:
            return Release(token=token, outcome="failed", reason=self._failure)
        if status == 0 and self._done is not None:
            store_model(self._store, self._lease.brand, self._lease.model_version, self._done)
            return Release(token=token, outcome="packaged")
        if status == REQUEUE_EXIT:
            return Release(token=token, outcome="requeue", reason="the trainer was stopped")
        if status < 0:
            # Killed from outside, most often for memory: the registry gives up after some attempts.
            name = signal.Signals(-status).name
            return Release(token=token, outcome="requeue", reason=f"the training process was killed ({name})")
        return Release(
            token=token,
            outcome="failed",
            reason="the training process failed: " + " | ".join(self._tail)[-1500:],
        )
