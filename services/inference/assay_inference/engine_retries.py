"""Pictures that are sent to an engine again: after a failure, and while their model is still being loaded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from prometheus_client import Counter

from assay_engine.errors import ModelLoading
from assay_inference.engine_admission import REFUSED
from assay_inference.engine_hosts import Host, Hosts
from assay_inference.errors import EngineUnreached
from assay_inference.fair_queue import FairQueue, Waiting
from assay_shared import logs
from assay_shared.errors import EngineUnavailable

RETRIES = Counter("assay_engine_retries", "pictures sent a second time")
LOADING = Counter("assay_engine_loading", "pictures sent again because their model was still being loaded")
PAUSE = 0.3
"""Seconds before a second attempt where there is no other host."""
MAX_TRIES = 2
LOAD_PAUSES = 0.1, 1.0
"""Seconds before a picture is sent again whose model was still being loaded, the first time and at most; they
double. Where a store hangs the engine's worker waits for a brand in vain a fifth of the time, for
ASSAY_ENGINE_LOAD_WAIT_SECONDS each, and the rest is for others."""

log = logs.get_logger(__name__)


class Retries:
    """Puts pictures back into the queue, before all others, or refuses them; `schedule` sends what can be
    sent. Those in `pausing` are in no queue."""

    def __init__(self, queue: FairQueue[Waiting], hosts: Hosts, schedule: Callable[[], None]) -> None:
        self.pausing: set[Waiting] = set()
        self._queue = queue
        self._hosts = hosts
        self._schedule = schedule

    def send_again(self, waiting: Waiting, host: Host, error: EngineUnavailable) -> None:
        """After a failure of a host each picture once more, alone, elsewhere if possible: if one of them is
        what kills workers, it takes no other along. Where nobody listened nothing was tried."""
        if waiting.answer.done():
            return
        others = self._hosts.others_live(host)
        unsent = isinstance(error, EngineUnreached)
        if not (unsent and others):
            waiting.tries += 1
            waiting.alone = waiting.alone or not unsent
        if waiting.tries >= MAX_TRIES:
            REFUSED.labels("away").inc()
            waiting.refuse(error)
            return
        log.warning("picture is sent again", reason=error.detail, brand=waiting.item.brand, host=host.url)
        RETRIES.inc()
        waiting.avoid = host.url
        if others:
            self._queue.put_back(waiting)
        else:
            self.pausing.add(waiting)
            asyncio.get_running_loop().call_later(PAUSE, self._resume, waiting)

    def await_load(self, waiting: Waiting, error: ModelLoading) -> None:
        """Queues a picture once more whose model is on its way into memory; what its brand has sent since
        waits behind it. Where its deadline comes first, that is its answer."""
        if waiting.answer.done():
            return
        first, longest = LOAD_PAUSES
        pause = min(first * 2**waiting.loads, longest)
        now = time.monotonic()
        if now + pause >= waiting.deadline:
            REFUSED.labels("loading").inc()
            waiting.refuse(error)
            return
        LOADING.inc()
        waiting.loads += 1
        waiting.not_before = now + pause
        self._queue.put_back(waiting)
        asyncio.get_running_loop().call_later(pause, self._schedule)

    def _resume(self, waiting: Waiting) -> None:
        if waiting in self.pausing:
            self.pausing.discard(waiting)
            self._queue.put_back(waiting)
            self._schedule()
