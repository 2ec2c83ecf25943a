"""The way to the engines: whenever a worker is free, what has gathered goes at once as one request.

No timer ever holds a picture back, batches span brands, and TorchServe's own batcher, which can lose
requests, stays off. The number of requests in flight to each TorchServe is its number of workers. Brands take
turns (`fair_queue.py`), each has its host (`engine_hosts.py`, `routing.py`), and a host's batches are as
large as is worth while (`pace.py`). What would be late is refused at once (`engine_admission.py`), what
failed is sent again (`engine_retries.py`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from prometheus_client import Counter, Gauge, Histogram

from assay_engine.errors import ModelLoading
from assay_engine.framing import Found, Item
from assay_inference.engine_admission import REFUSED, Admission
from assay_inference.engine_hosts import Host, Hosts
from assay_inference.engine_retries import Retries
from assay_inference.engine_watch import watch
from assay_inference.fair_queue import FairQueue, Waiting
from assay_inference.routing import Router
from assay_inference.transport import TorchServeTransport, Transport
from assay_shared import logs
from assay_shared.errors import AssayError, EngineUnavailable

QUEUED = Gauge("assay_engine_queue_depth", "pictures that wait for the engine")
QUEUE_SECONDS = Histogram(
    "assay_engine_queue_seconds",
    "seconds that a picture waits before it is sent to an engine",
    buckets=(0.002, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20),
)
BATCH = Histogram("assay_engine_batch_size", "pictures in one request", buckets=(1, 2, 4, 8, 16, 32, 64))
BRANDS = Histogram("assay_engine_batch_brands", "brands in one request", buckets=(1, 2, 4, 8, 16, 32, 64))
SPREADS = Counter("assay_engine_spread_pictures", "pictures sent to another host than their brand's own")
ANSWERED = Counter("assay_engine_host_pictures", "pictures that a TorchServe answered for", ["host"])
HINTS = Counter("assay_engine_warm_hints", "model versions that an engine was told to load before a picture")
NO_PICTURE = np.zeros((0, 0, 3), np.uint8)

log = logs.get_logger(__name__)


class EngineClient:
    """Sends pictures to one or more TorchServes. Use within one event loop, between `start` and `stop`.

    `slots` are each TorchServe's workers, which compute `streams` pictures of a request at once; `queue`
    pictures may wait. A host that answers nothing for `silence_seconds` gives what it has in hand to others.
    `reserve_seconds`: see `Router`. With another `transport` the hosts are what it reaches, such as an
    endpoint in SageMaker.
    """

    def __init__(
        self,
        urls: Sequence[str],
        slots: Sequence[int],
        batch: int,
        queue: int,
        timeout_seconds: float,
        *,
        streams: int = 1,
        silence_seconds: float = 1.5,
        reserve_seconds: float = 5.0,
        transport: Transport | None = None,
    ) -> None:
        self._hosts = Hosts(
            [Host(url, number, silence_seconds, streams) for url, number in zip(urls, slots, strict=True)]
        )
        self._timeout = timeout_seconds
        self._queue = FairQueue[Waiting](queue)
        self._admission = Admission(self._queue, self._hosts)
        self._router = Router(self._queue, self._hosts, batch, reserve_seconds)
        self._retries = Retries(self._queue, self._hosts, self._schedule)
        self._tasks: set[asyncio.Task[None]] = set()
        self._away: set[Waiting] = set()
        self._scheduled = False
        self._stopping = False
        self._transport = transport or TorchServeTransport(urls, slots, timeout_seconds)

    def start(self) -> None:
        """Starts watching the hosts."""
        for host in self._hosts:
            self._spawn(watch(host, self._hosts, self._transport, self._schedule))

    async def stop(self) -> None:
        """Refuses what waits and what is on its way."""
        self._stopping = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for waiting in [*self._queue.drain(), *self._away, *self._retries.pausing]:
            waiting.refuse(EngineUnavailable("The service is stopping"))
        self._retries.pausing.clear()
        await self._transport.close()

    async def detect(self, item: Item, deadline_seconds: float) -> Found:
        """What an engine finds in one picture.

        Raises BrandFlood and Busy when the queue has no room for it, EngineUnavailable when the deadline
        passes or no TorchServe answers twice; and the engine's own error of this item, ModelLoading where
        its model is not loaded by the deadline.
        """
        self._admission.check(item.brand, deadline_seconds)
        deadline = time.monotonic() + deadline_seconds
        answer: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._queue.add(Waiting(replace(item, deadline=deadline), deadline, answer))
        self._router.note_arrival(item.brand)
        self._schedule()
        try:
            async with asyncio.timeout(deadline_seconds):
                return await answer
        except TimeoutError as error:
            REFUSED.labels("deadline").inc()
            late = EngineUnavailable(f"The detector did not answer within {deadline_seconds:g} seconds")
            raise late.after(self.wait_seconds()) from error

    def warm(self, brand: str, version: str) -> None:
        """Tells the brand's host to load a version that it has not answered for lately. Waits for nothing,
        and does nothing while all workers of that host are at work: the picture itself will load it."""
        host, key = self._hosts.order_for(brand)[0], (brand, version)
        if not host.free or host.answered.knows(key) or host.told.knows(key):
            return
        HINTS.inc()
        host.told.remember(key)
        host.take({brand})
        hint = Item(brand, version, NO_PICTURE, time.monotonic() + self._timeout)
        self._spawn(self._hint(host, hint))

    def wait_seconds(self, brand: str | None = None) -> float | None:
        """How long one more picture of a brand would wait now, or what waits altogether takes; None where no
        host's pace is known."""
        return self._admission.wait_seconds(brand)

    def _schedule(self) -> None:
        """Sends what can be sent, once all that is due now is done: what comes together goes together."""
        if not (self._scheduled or self._stopping):
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._send_all)

    def _send_all(self) -> None:
        self._scheduled = False
        if self._stopping:
            return
        for host, batch, guests in self._router.route():
            now = time.monotonic()
            for waiting in batch:
                QUEUE_SECONDS.observe(now - waiting.since)
            BATCH.observe(len(batch))
            BRANDS.observe(len({waiting.item.brand for waiting in batch}))
            if guests:
                SPREADS.inc(len(batch))
            host.take({waiting.item.brand for waiting in batch})
            self._away.update(batch)
            self._spawn(self._serve(host, batch))
        QUEUED.set(len(self._queue))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, host: Host, batch: list[Waiting]) -> None:
        """Sends a batch and hands out its answers; a free worker is given the next batch."""
        try:
            results = await self._call(host, [waiting.item for waiting in batch])
            self._away.difference_update(batch)
        except EngineUnavailable as error:
            self._away.difference_update(batch)
            for waiting in reversed(batch):  # each goes before all others
                self._retries.send_again(waiting, host, error)
        except Exception as error:
            log.exception("engine request failed")
            self._away.difference_update(batch)
            for waiting in batch:
                waiting.refuse(EngineUnavailable(f"The detector failed: {type(error).__name__}"))
        else:
            early = []
            for waiting, result in zip(batch, results, strict=True):
                if isinstance(result, ModelLoading):
                    early.append((waiting, result))
                else:
                    waiting.settle(result)
            for waiting, loading in reversed(early):  # each goes before all others
                self._retries.await_load(waiting, loading)
        finally:
            self._release(host, {waiting.item.brand for waiting in batch})

    async def _hint(self, host: Host, hint: Item) -> None:
        try:
            await self._call(host, [hint])
        except EngineUnavailable as error:
            log.warning("model was not warmed", brand=hint.brand, version=hint.version, reason=error.detail)
        finally:
            self._release(host, {hint.brand})

    def _release(self, host: Host, brands: set[str]) -> None:
        host.release(brands)
        self._schedule()

    async def _call(self, host: Host, items: list[Item]) -> list[Found | AssayError]:
        """One request. Raises EngineUnavailable; the host is left aside then, until it answers a probe."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout) as patience:
                with host.call(patience):
                    results = await self._transport.ask(host.url, items)
        except TimeoutError as error:
            host.lose("timed out")
            seconds = time.monotonic() - started
            raise EngineUnavailable(f"The detector did not answer in {seconds:.1f} seconds") from error
        except EngineUnavailable as error:
            host.lose(error.detail)
            raise
        host.hear()
        _learn(host, items, results, time.monotonic() - started)
        return results


def _learn(host: Host, items: list[Item], results: list[Found | AssayError], seconds: float) -> None:
    """What an answer says of a host: its pace, where no model had to be loaded, and what is loaded now."""
    keys = [(item.brand, item.version) for item in items]
    pictures = sum(1 for item in items if item.pixels.size)
    ANSWERED.labels(host.url).inc(pictures)
    if pictures and all(map(host.answered.knows, keys)):
        host.pace.note(pictures, seconds)
    for item, key, result in zip(items, keys, results, strict=True):
        if isinstance(result, AssayError):
            host.answered.forget(key)
            host.told.forget(key)
        elif item.pixels.size:
            host.answered.remember(key)
