"""The way to the engine: what has gathered goes as one request whenever a worker is free.

No timer ever holds a picture back, batches span brands, and TorchServe's own batcher, which can lose
requests, stays off. The number of requests in flight to each TorchServe is its number of workers.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass

import httpx
from prometheus_client import Counter, Gauge, Histogram

from assay_engine import framing
from assay_engine.errors import BadFrame
from assay_engine.framing import Found, Item
from assay_shared import logs
from assay_shared.errors import AssayError, EngineUnavailable

QUEUED = Gauge("assay_engine_queue_depth", "pictures that wait for the engine")
BATCH = Histogram("assay_engine_batch_size", "pictures in one request", buckets=(1, 2, 4, 8, 16, 32, 64))
RETRIES = Counter("assay_engine_retries", "requests sent a second time")
RETRY_PAUSE = 0.3
"""Seconds before a second attempt, when the first found nobody listening."""

log = logs.get_logger(__name__)


@dataclass
class _Waiting:
    item: Item
    deadline: float
    answer: asyncio.Future[Found]


class EngineClient:
    """Sends pictures to one or more TorchServes. Use within one event loop, between `start` and `stop`."""

    def __init__(
        self,
        urls: list[str],
        slots: int,
        batch: int,
        queue: int,
        timeout_seconds: float,
    ) -> None:
        self._urls = urls
        self._slots = slots
        self._batch = batch
        self._limit = queue
        self._timeout = timeout_seconds
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_seconds, connect=min(2.0, timeout_seconds)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=len(urls) * slots),
            headers={"Content-Type": framing.CONTENT_TYPE},
            trust_env=False,
        )

    def start(self) -> None:
        """Starts one sender for each worker of each TorchServe."""
        self._tasks = [
            asyncio.create_task(self._send_forever(place))
            for _ in range(self._slots)
            for place in range(len(self._urls))
        ]

    async def stop(self) -> None:
        """Stops the senders; what still waits is refused."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for waiting in self._waiting:
            _refuse(waiting, EngineUnavailable("The service is stopping"))
        self._waiting.clear()
        await self._http.aclose()

    async def detect(self, item: Item, deadline_seconds: float) -> Found:
        """What the engine finds in one picture.

        Raises EngineUnavailable when the queue is full, the deadline passes, or no TorchServe answers
        twice; and the engine's own error of this item.
        """
        if len(self._waiting) >= self._limit:
            raise EngineUnavailable(f"{self._limit} pictures are waiting for the detector; send again soon")
        answer: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(item, time.monotonic() + deadline_seconds, answer))
        QUEUED.set(len(self._waiting))
        async with self._arrived:
            self._arrived.notify()
        try:
            async with asyncio.timeout(deadline_seconds):
                return await answer
        except TimeoutError as error:
            raise EngineUnavailable(
                f"The detector did not answer within {deadline_seconds:g} seconds"
            ) from error

    async def _send_forever(self, place: int) -> None:
        while True:
            async with self._arrived:
                await self._arrived.wait_for(lambda: bool(self._waiting))
                batch = self._gather()
            if not batch:
                continue
            try:
                await self._answer(batch, place)
            except Exception as error:
                log.exception("engine request failed")
                for waiting in batch:
                    _refuse(waiting, EngineUnavailable(f"The detector failed: {type(error).__name__}"))

    def _gather(self) -> list[_Waiting]:
        """Takes what waits, oldest first, up to one batch; those nobody waits for any more are dropped."""
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < self._batch:
            waiting = self._waiting.popleft()
            if waiting.answer.done():
                continue
            if time.monotonic() >= waiting.deadline:
                _refuse(waiting, EngineUnavailable("The picture waited too long for the detector"))
                continue
            batch.append(waiting)
        QUEUED.set(len(self._waiting))
        return batch

    async def _answer(self, batch: list[_Waiting], place: int) -> None:
        """Sends a batch; after a worker's death each picture once more, alone, on the next TorchServe: if
        one of them is what kills workers, it takes no other along."""
        BATCH.observe(len(batch))
        try:
            results = await self._send([waiting.item for waiting in batch], place)
        except EngineUnavailable as first:
            log.warning("engine request is sent again", reason=first.detail, pictures=len(batch))
            await asyncio.sleep(RETRY_PAUSE)
            for waiting in batch:
                if waiting.answer.done():
                    continue
                RETRIES.inc()
                try:
                    again = await self._send([waiting.item], place + 1)
                    _settle(waiting, again[0])
                except EngineUnavailable as second:
                    _refuse(waiting, second)
            return
        for waiting, result in zip(batch, results, strict=True):
            _settle(waiting, result)

    async def _send(self, items: list[Item], place: int) -> list[Found | AssayError]:
        """One request. Raises EngineUnavailable for whatever is not a whole response frame."""
        url = self._urls[place % len(self._urls)]
        try:
            answer = await self._http.post(f"{url}/predictions/engine", content=framing.write_request(items))
        except httpx.HTTPError as error:
            raise EngineUnavailable(f"The detector does not answer ({type(error).__name__})") from error
        if not answer.is_success:
            raise EngineUnavailable(f"The detector answered {answer.status_code}: {answer.text[:200]}")
        try:
            results = framing.read_response(answer.content)
        except BadFrame as error:
            raise EngineUnavailable(f"The detector's answer cannot be read: {error.detail}") from error
        if len(results) != len(items):
            raise EngineUnavailable(f"The detector gave {len(results)} answers to {len(items)} pictures")
        return results


def check_engine(urls: list[str], timeout_seconds: float) -> None:
    """Asks each TorchServe for a real prediction, of no picture; blocks.

    Raises EngineUnavailable unless one of them answers.
    """
    reason = ""
    for url in urls:
        try:
            answer = httpx.post(
                f"{url}/predictions/engine",
                content=framing.write_request([]),
                headers={"Content-Type": framing.CONTENT_TYPE},
                timeout=timeout_seconds,
                trust_env=False,
            )
            framing.read_response(answer.raise_for_status().content)
            return
        except (httpx.HTTPError, BadFrame) as error:
            reason = f"{url}: {type(error).__name__}"
    raise EngineUnavailable(f"No detector answers; last {reason}")


def _settle(waiting: _Waiting, result: Found | AssayError) -> None:
    if isinstance(result, AssayError):
        _refuse(waiting, result)
    elif not waiting.answer.done():
        waiting.answer.set_result(result)


def _refuse(waiting: _Waiting, error: AssayError) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
