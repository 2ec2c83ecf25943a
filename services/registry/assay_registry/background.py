"""What the registry does without being asked: publishing what is behind, and sweeping what is overdue."""

from __future__ import annotations

import threading
from collections.abc import Callable

from assay_registry import (
    idempotency,
    kept_pictures,
    model_versions,
    publishing,
    training_runs,
    verifications,
)
from assay_registry.context import Context
from assay_shared import logs
from assay_shared.errors import AssayError

JOBS: tuple[Callable[[Context], object], ...] = (
    publishing.publish_pending,
    training_runs.sweep,
    model_versions.sweep,
    verifications.sweep,
    kept_pictures.sweep,
    idempotency.sweep,
)
"""Each may run on several replicas at once, and again after a crash."""

log = logs.get_logger(__name__)


class BackgroundWork:
    """Runs all jobs on a thread of its own, with `settings.sweep_seconds` between two rounds."""

    def __init__(self, context: Context, jobs: tuple[Callable[[Context], object], ...] = JOBS) -> None:
        self._context = context
        self._jobs = jobs
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)

    def start(self) -> None:
        """Begins with a round at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the job that runs."""
        self._stopped.set()
        self._thread.join(timeout=10)

    def run_once(self) -> None:
        """Runs every job once; one that fails is logged and does not keep the others from running."""
        for job in self._jobs:
            if self._stopped.is_set():
                return
            try:
                job(self._context)
            except AssayError as error:
                log.warning("background job failed", job=job.__module__, error=error.detail)
            except Exception:
                log.exception("background job crashed", job=job.__module__)

    def _run(self) -> None:
        while not self._stopped.is_set():
            logs.bind_request_id(logs.new_request_id())
            self.run_once()
            self._stopped.wait(self._context.settings.sweep_seconds)
