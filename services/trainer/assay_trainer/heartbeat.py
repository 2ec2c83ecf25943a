"""Keeps the lease of a run alive and carries its progress to the registry."""

from __future__ import annotations

import threading
import time
from typing import Literal

from assay_shared.errors import AssayError, LeaseLost, NotFound, RegistryUnavailable
from assay_shared.logs import get_logger
from assay_shared.registry_client import RegistryClient
from assay_shared.wire import Heartbeat, Lease, Progress, Release

log = get_logger(__name__)

MAX_LINES = 2000
"""Log lines held while the registry is away; older ones are dropped first."""
STOPPING_SECONDS = 5.0
"""For how long a trainer that must stop tries to end its lease; whoever stops it waits for two minutes at
most, and the registry may be stopping too."""


class Pulse:
    """A thread that sends a heartbeat a few times per lease, and at once when there is progress.

    `cancelled` is set when the brand cancelled the run; `lost` when another worker owns it now. A registry
    that is away sets neither: nobody else can take the run then. `stopping` is set when this trainer stops.
    """

    def __init__(self, lease: Lease, registry: RegistryClient, stopping: threading.Event) -> None:
        self.cancelled = threading.Event()
        self.lost = threading.Event()
        self._lease, self._registry, self._stopping = lease, registry, stopping
        self._lock = threading.Lock()
        self._reports: list[Progress] = []
        self._lines: list[str] = []
        self._state: Literal["preparing", "training", "evaluating"] | None = None
        self._news, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Sends what is left once, and stops the thread."""
        self._over.set()
        self._news.set()
        self._thread.join(timeout=30)

    def state(self, state: Literal["preparing", "training", "evaluating"]) -> None:
        """The run has entered a state."""
        with self._lock:
            self._state = state
        self._news.set()

    def progress(self, progress: Progress) -> None:
        """An epoch is over."""
        with self._lock:
            self._reports.append(progress)
        self._news.set()

    def log(self, line: str) -> None:
        """A line for the run's log."""
        if line.strip():
            with self._lock:
                self._lines.append(line[:2000])
                del self._lines[:-MAX_LINES]

    def is_over(self) -> bool:
        """Whether its owner is to let go of the run: cancelled, lost, or this trainer stops."""
        return self.cancelled.is_set() or self.lost.is_set() or self._stopping.is_set()

    def is_sent(self) -> bool:
        """Whether the registry has taken all that was told."""
        with self._lock:
            return not self._reports and not self._lines

    def flush(self, seconds: float) -> bool:
        """Sends what is left at once and waits, at most so long; whether the registry has taken it."""
        until = time.monotonic() + seconds
        self._news.set()
        while not self.is_sent():
            if self.lost.is_set() or time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def end(self, release: Release) -> bool:
        """Ends the lease; tries until the registry answers or the lease is surely over, and not for long when
        this trainer stops. Whether the registry knows.

        The registry requeues a run whose lease ends unreleased, so giving up loses nothing but time.
        """
        started = time.monotonic()
        while True:
            try:
                self._registry.release_lease(self._lease.run, release)
                return True
            except RegistryUnavailable as error:
                patience = STOPPING_SECONDS if self._stopping.is_set() else self._lease.seconds * 2
                if time.monotonic() - started > patience:
                    log.warning("lease not released", run=self._lease.run, why=error.detail)
                    return False
                time.sleep(1)
            except AssayError as error:
                log.warning("lease not released", run=self._lease.run, why=error.detail)
                return False

    def _beat(self) -> None:
        while not self._over.is_set():
            self._news.wait(self._lease.seconds / 4)
            self._news.clear()
            self._send_all()

    def _send_all(self) -> None:
        while not self.lost.is_set():
            with self._lock:
                report = self._reports[0] if self._reports else None
                lines, state = self._lines[:], self._state
            beat = Heartbeat(token=self._lease.token, state=state, progress=report, log=lines)
            try:
                answer = self._registry.send_heartbeat(self._lease.run, beat)
            except (LeaseLost, NotFound):
                self.lost.set()
                return
            except AssayError as error:
                log.warning("heartbeat failed", run=self._lease.run, why=error.detail)
                return
            with self._lock:
                del self._reports[: 1 if report else 0]
                del self._lines[: len(lines)]
                more = bool(self._reports)
            if answer.cancelled:
                self.cancelled.set()
            if not more:
                return
