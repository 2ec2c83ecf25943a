"""Where a run trains: start, poll, cancel. `local_backend.py` and `sagemaker_backend.py` are the two ways."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from assay_shared.wire import Lease
from assay_trainer.heartbeat import Pulse


@dataclass(frozen=True)
class RunEnd:
    """What became of a run: `done` with the folder of its model version, `failed` for good, or `requeue`:
    its next owner goes on. `reason` is for people."""

    outcome: Literal["done", "failed", "requeue"]
    reason: str = ""
    folder: Path | None = None


class RunInProgress(Protocol):
    """A run that a backend has begun, or goes on with. One thread calls; what it tells goes to the pulse.

    `interval`: seconds between two polls; `news` is set when the next need not wait for so long.
    """

    interval: float
    news: threading.Event

    def poll(self) -> RunEnd | None:
        """Looks, carries what is new to the pulse, does what is due; gives the end when there is one.

        Raises AssayError when the run has failed, StoreUnavailable when Assay's own store is away.
        """

    def cancel(self) -> None:
        """The brand has cancelled: returns when nothing of the run trains any more, or surely will not."""

    def pause(self) -> RunEnd:
        """This trainer stops. What runs inside it is saved and ended, what runs elsewhere goes on."""

    def abandon(self) -> None:
        """The run is another trainer's now: what runs inside this one ends at once."""

    def clean(self) -> None:
        """The run is over and its record says so: whatever only it needed may go. Raises nothing."""


class TrainingBackend(Protocol):
    """A way to train."""

    def start(self, lease: Lease, work: Path, pulse: Pulse) -> RunInProgress:
        """Begins a leased run, or goes on with one that was begun here. `work` is an empty folder for it.

        Raises AssayError when the run cannot be begun, StoreUnavailable when Assay's own store is away.
        """
