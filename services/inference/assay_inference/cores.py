"""Work on pixels, beside the event loop: on threads, as many as there are cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from assay_inference.turns import SPARE, Turns

T = TypeVar("T")


class Cores:
    """Brands take turns at the cores. At most `queue` pieces of work wait, none longer than
    `deadline_seconds`. Use within one event loop."""

    def __init__(self, queue: int, deadline_seconds: float) -> None:
        count = len(os.sched_getaffinity(0))
        self._turns = Turns("cores", count, queue, deadline_seconds)
        self._threads = anyio.CapacityLimiter(count + SPARE)

    async def run(self, brand: str, work: Callable[[], T]) -> T:
        """What the work returns or raises. Raises BrandFlood and Busy as `Turns.take` does."""
        async with self._turns.take(brand):
            return await anyio.to_thread.run_sync(work, limiter=self._threads)
