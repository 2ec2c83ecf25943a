"""Pictures that wait for the engine: brands take turns, whatever one of them sends."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from assay_engine.framing import Found, Item
from assay_inference.shares import Shares


@dataclass(eq=False)
class Waiting:
    """A picture and whoever waits for its answer.

    `tries`: how often it was sent in vain; `alone`: its last try took a worker along, so it shares no batch;
    `avoid`: the host where that was.
    """

    item: Item
    deadline: float
    answer: asyncio.Future[Found]
    since: float = field(default_factory=time.monotonic)
    tries: int = 0
    alone: bool = False
    avoid: str = ""

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.answer.done() or time.monotonic() >= self.deadline


class FairQueue:
    """First in, first out within a brand; one picture of each brand in turn between them (round robin: each
    picture costs the same, so no deficits need to be carried)."""

    def __init__(self, limit: int) -> None:
        self.shares = Shares(limit)
        self._brands: OrderedDict[str, deque[Waiting]] = OrderedDict()

    def __len__(self) -> int:
        return self.shares.total

    def counts(self) -> dict[str, int]:
        """How many pictures of each brand wait."""
        return {brand: len(line) for brand, line in self._brands.items()}

    def add(self, waiting: Waiting) -> None:
        """Queues a picture; whether there is room was asked before."""
        self._brands.setdefault(waiting.item.brand, deque()).append(waiting)
        self.shares.add(waiting.item.brand)

    def put_back(self, waiting: Waiting) -> None:
        """Queues a picture that was taken in vain, before all others."""
        brand = waiting.item.brand
        self._brands.setdefault(brand, deque()).appendleft(waiting)
        self._brands.move_to_end(brand, last=False)
        self.shares.add(brand)

    def take(self, limit: int, may: Callable[[Waiting], bool]) -> list[Waiting]:
        """The next pictures, at most `limit`, of the brands whose oldest picture `may` go; those that nobody
        waits for any more are dropped. One that must be alone comes alone."""
        batch: list[Waiting] = []
        progress = True
        while progress and len(batch) < limit:
            progress = False
            for brand in list(self._brands):
                if len(batch) == limit or not self._clean(brand):
                    continue
                head = self._brands[brand][0]
                if (head.alone and batch) or not may(head):
                    continue
                batch.append(self._pop(brand))
                self._end_turn(brand)
                if head.alone:
                    return batch
                progress = True
        return batch

    def clean(self) -> None:
        """Drops what nobody waits for any more, wherever it stands."""
        for brand, line in list(self._brands.items()):
            kept = deque(waiting for waiting in line if not waiting.given_up)
            for _ in range(len(line) - len(kept)):
                self.shares.remove(brand)
            self._brands[brand] = kept
            self._end_turn(brand, stay=True)

    def drain(self) -> Iterator[Waiting]:
        """Takes everything."""
        for brand in list(self._brands):
            while self._brands.get(brand):
                yield self._pop(brand)
        self._brands.clear()

    def _clean(self, brand: str) -> bool:
        """Drops given up pictures from the head; whether any is left."""
        line = self._brands[brand]
        while line and line[0].given_up:
            self._pop(brand)
        self._end_turn(brand, stay=True)
        return bool(line)

    def _pop(self, brand: str) -> Waiting:
        self.shares.remove(brand)
        return self._brands[brand].popleft()

    def _end_turn(self, brand: str, *, stay: bool = False) -> None:
        if not self._brands[brand]:
            del self._brands[brand]
        elif not stay:
            self._brands.move_to_end(brand)
