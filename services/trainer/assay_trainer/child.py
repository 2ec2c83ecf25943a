"""The process that trains, as whoever started it sees it: its events, its end, and how it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assay_trainer.job import CHILD_EVENT, REQUEUE_EXIT, ChildEvent, DoneEvent, FailedEvent, LogEvent

TAIL_LINES = 20
"""Of standard error, for the reason of a child that ended without one."""
TAIL_CHARACTERS = 1500


@dataclass(frozen=True)
class ChildEnd:
    """How a child ended: `folder` holds the model version when it is done, `reason` says why it is not."""

    outcome: Literal["done", "failed", "stopped", "killed"]
    folder: Path | None = None
    reason: str = ""


class ChildProcess:
    """`train_child` on a folder with `job.json`. It ends by itself when we die: its standard input closes.

    `handle` and `log` are called on threads of this object, events in their order; what `handle` raises is
    raised by `wait`.
    """

    def __init__(self, work: Path, handle: Callable[[ChildEvent], None], log: Callable[[str], None]) -> None:
        self._handle, self._log = handle, log
        self._done: Path | None = None
        self._failure: str | None = None
        self._error: Exception | None = None
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "assay_trainer.train_child", str(work)],
            # Appearances are fitted on all cores as it is; OpenBLAS's own threads would spin beside them, a
            # fifth of the processor time.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,  # never written: the child ends when it closes, so when we die
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._events = threading.Thread(target=self._read_events, daemon=True)
        self._errors = threading.Thread(target=self._read_errors, daemon=True)
        self._events.start()
        self._errors.start()

    def wait(self, seconds: float | None = None) -> ChildEnd | None:
        """How it ended; None if it has not within these seconds (None: however long it takes)."""
        self._events.join(seconds)
        if self._events.is_alive():
            return None
        status = self._process.wait()
        self._close()
        if self._error is not None:
            raise self._error
        return self._name_end(status)

    def terminate(self) -> None:
        """Asks it to save and end (SIGTERM)."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._close()

    def stop(self, patience: float) -> ChildEnd:
        """Asks it to save and end, and kills it after `patience` seconds."""
        self.terminate()
        end = self.wait(patience)
        while end is None:
            self._process.kill()
            end = self.wait()
        return end

    def _read_events(self) -> None:
        for line in self._process.stdout or ():
            try:
                event = CHILD_EVENT.validate_json(line)
            except ValueError:
                event = LogEvent(line=line.rstrip())
            match event:
                case DoneEvent(folder=folder):
                    self._done = folder
                case FailedEvent(reason=reason):
                    self._failure = reason
            try:
                self._handle(event)
            except Exception as error:
                self._error = error
                self._process.kill()
                return

    def _read_errors(self) -> None:
        for line in self._process.stderr or ():
            self._tail.append(line.rstrip())
            self._log(line.rstrip())

    def _close(self) -> None:
        self._events.join(timeout=5)
        self._errors.join(timeout=5)
        # A process that the child left behind may hold standard error open; closing it would wait for that.
        errors = None if self._errors.is_alive() else self._process.stderr
        for pipe in (self._process.stdin, self._process.stdout, errors):
            if pipe is not None:
                pipe.close()

    def _name_end(self, status: int) -> ChildEnd:
        if self._failure is not None:
            return ChildEnd("failed", reason=self._failure)
        if status == 0 and self._done is not None:
            return ChildEnd("done", folder=self._done)
        if status == REQUEUE_EXIT:
            return ChildEnd("stopped", reason="the trainer was stopped")
        if status < 0:
            name = signal.Signals(-status).name
            return ChildEnd("killed", reason=f"the training process was killed ({name})")
        tail = " | ".join(self._tail)[-TAIL_CHARACTERS:]
        return ChildEnd("failed", reason=f"the training process failed: {tail}")
