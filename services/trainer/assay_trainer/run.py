"""One training run, as its owner: the lease kept alive, a backend that trains, the model version stored."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

from assay_shared.errors import AssayError, LeaseLost, StoreUnavailable
from assay_shared.logs import get_logger
from assay_shared.registry_client import RegistryClient
from assay_shared.storage import ObjectStore
from assay_shared.wire import Lease, Release
from assay_trainer.backend import RunEnd, RunInProgress, TrainingBackend
from assay_trainer.heartbeat import Pulse
from assay_trainer.model_store import store_model

LOOK_SECONDS = 0.2
"""Between two looks at whether to stop, and for news of the backend."""

log = get_logger(__name__)


def remove_leftovers(data_dir: Path) -> None:
    """Deletes the work folders of runs that a killed worker left behind."""
    shutil.rmtree(data_dir / "runs", ignore_errors=True)


def train_leased_run(
    lease: Lease,
    registry: RegistryClient,
    store: ObjectStore,
    backend: TrainingBackend,
    data_dir: Path,
    stopping: threading.Event,
) -> None:
    """Trains, evaluates and stores the model version of a leased run, then ends the lease.

    `stopping` set: the run goes back to the queue, saved or still training, as the backend does it. Nothing
    is raised: whatever goes wrong becomes the run's reason, or the run is requeued when only a part of Assay
    was away.
    """
    work = data_dir / "runs" / lease.run
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    pulse = Pulse(lease, registry, stopping)
    pulse.start()
    running: RunInProgress | None = None
    try:
        running = backend.start(lease, work, pulse)
        release = _watch(running, lease, store, pulse, stopping)
    except LeaseLost:
        log.warning("lease lost, run left to its new owner", run=lease.run)
        return
    except StoreUnavailable as error:
        _give_up(running)
        _wait_for_store(store, pulse, stopping)
        release = Release(token=lease.token, outcome="requeue", reason=error.detail)
    except AssayError as error:
        _give_up(running)
        release = Release(token=lease.token, outcome="failed", reason=error.detail)
    except Exception as error:
        log.exception("run crashed", run=lease.run)
        _give_up(running)
        release = Release(token=lease.token, outcome="failed", reason=f"{type(error).__name__}: {error}")
    finally:
        pulse.stop()
        shutil.rmtree(work, ignore_errors=True)
    told = pulse.end(release)
    if told and running is not None and release.outcome != "requeue":
        running.clean()


def _watch(
    running: RunInProgress, lease: Lease, store: ObjectStore, pulse: Pulse, stopping: threading.Event
) -> Release:
    """Until the run has ended or is to end. Raises LeaseLost, and what the backend raises."""
    while True:
        end = running.poll()
        if pulse.lost.is_set():
            running.abandon()
            raise LeaseLost
        if pulse.cancelled.is_set():
            running.cancel()
            return Release(token=lease.token, outcome="cancelled", reason="cancelled by the brand")
        if end is None and stopping.is_set():
            end = running.pause()
        if end is not None:
            return _conclude(end, lease, store)
        _wait_for_news(running, pulse, stopping)


def _wait_for_news(running: RunInProgress, pulse: Pulse, stopping: threading.Event) -> None:
    until = time.monotonic() + running.interval
    while (left := until - time.monotonic()) > 0:
        if running.news.wait(min(left, LOOK_SECONDS)):
            break
        if pulse.lost.is_set() or pulse.cancelled.is_set() or stopping.is_set():
            break
    running.news.clear()


def _conclude(end: RunEnd, lease: Lease, store: ObjectStore) -> Release:
    if end.outcome == "done" and end.folder is not None:
        store_model(store, lease.brand, lease.model_version, end.folder)
        return Release(token=lease.token, outcome="packaged")
    outcome = "requeue" if end.outcome == "requeue" else "failed"
    return Release(token=lease.token, outcome=outcome, reason=end.reason)


def _give_up(running: RunInProgress | None) -> None:
    """Ends what runs inside this worker when nobody watches it any more."""
    if running is not None:
        running.abandon()


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
