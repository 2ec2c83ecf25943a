"""A thread that delivers what waits in a spool, as often as it takes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from assay_shared import logs

log = logs.get_logger(__name__)


class Delivery:
    """Calls `deliver` whenever it is woken; when that gives False or crashes, again after `retry_seconds`."""

    def __init__(self, name: str, deliver: Callable[[], bool], retry_seconds: float) -> None:
        self._name = name
        self._deliver = deliver
        self._retry_seconds = retry_seconds
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def stopping(self) -> bool:
        """Whether `deliver` should come to its end."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Starts with a delivery at once."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._wake.set()
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after what it delivers now."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=15)

    def wake(self) -> None:
        """Says that something waits."""
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            try:
                delivered = self._deliver()
            except Exception:
                log.exception("delivery failed", spool=self._name)
                delivered = False
            if not delivered and not self._stopping.wait(self._retry_seconds):
                self._wake.set()
