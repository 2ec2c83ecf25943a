"""Turns at what brands share, the cores and the worker processes: so many at once, brand after brand."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client import Histogram

from assay_inference.errors import BrandFlood, Busy
from assay_inference.fair_queue import FairQueue

SPARE = 1
"""Beyond the places, for a brand that has nothing in hand while others have all: what is in hand cannot be
interrupted, and on two cores a third is served at two thirds of its speed, which is what 1.5 times its time
allows. A flood loses nothing by it."""
TURN_SECONDS = Histogram(
    "assay_turn_seconds",
    "seconds that a step of a verification waits for its brand's turn",
    ["at"],
    buckets=(0.002, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20),
)


@dataclass(eq=False)
class Turn:
    """One step's turn, which has come when `came` is done."""

    brand: str
    deadline: float
    came: asyncio.Future[None]
    alone: bool = False

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.came.done() or time.monotonic() >= self.deadline


class Turns:
    """`places` that brands take in turn (`FairQueue`), and SPARE; at most `limit` steps wait, none longer
    than `deadline_seconds`. Use within one event loop.

    Steps are taken to cost the same, which pictures of one size do.
    """

    def __init__(self, at: str, places: int, limit: int, deadline_seconds: float) -> None:
        self._at = at
        self._places = places
        self._deadline = deadline_seconds
        self._queue = FairQueue[Turn](limit)
        self._held: Counter[str] = Counter()

    @asynccontextmanager
    async def take(self, brand: str) -> AsyncIterator[None]:
        """A place for a step of this brand, as long as the block lasts. Raises BrandFlood and Busy where too
        many wait, and Busy where its turn does not come in time."""
        self._refuse_if_full(brand)
        started = time.monotonic()
        turn = Turn(brand, started + self._deadline, asyncio.get_running_loop().create_future())
        self._queue.add(turn)
        self._hand_out()
        try:
            async with asyncio.timeout(self._deadline):
                await turn.came
        except BaseException as error:
            turn.came.cancel()
            if not turn.came.cancelled():  # it came at that very moment
                self._give_back(brand)
            if isinstance(error, TimeoutError):
                raise Busy(
                    f"The picture waited {self._deadline:g} seconds for its turn ({self._at}); send it again"
                ) from error
            raise
        TURN_SECONDS.labels(self._at).observe(time.monotonic() - started)
        try:
            yield
        finally:
            self._give_back(brand)

    def _refuse_if_full(self, brand: str) -> None:
        shares = self._queue.shares
        if not shares.has_room(brand):
            self._queue.clean()
        if shares.has_room(brand):
            return
        if shares.floods(brand):
            raise BrandFlood(f"{shares[brand]} steps of brand {brand!r} wait ({self._at}); send more later")
        raise Busy(f"{shares.total} steps of verifications wait ({self._at}); send again soon")

    def _hand_out(self) -> None:
        while turns := self._queue.take(1, self._may):
            for turn in turns:
                self._held[turn.brand] += 1
                turn.came.set_result(None)

    def _may(self, turn: Turn) -> bool:
        room = self._places if self._held[turn.brand] else self._places + SPARE
        return self._held.total() < room

    def _give_back(self, brand: str) -> None:
        self._held[brand] -= 1
        self._held += Counter()  # drops zeros
        self._hand_out()
