"""What waits for something that brands share: they take turns, whatever one of them sends."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from assay_engine.framing import Found, Item
from assay_inference.shares import Shares
from assay_shared.errors import AssayError


class Queued(Protocol):
    """What can wait in a queue."""

    alone: bool

    @property
    def brand(self) -> str:
        """In whose line it stands."""

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for it any more."""


Q = TypeVar("Q", bound=Queued)


@dataclass(eq=False)
class Waiting:
    """A picture that waits for the engine, and whoever waits for its answer.

    `tries`: how often it was sent in vain; `alone`: its last try took a worker along, so it shares no batch;
    `avoid`: the host where that was. `loads`: how often its model was still being loaded; `not_before`: when
    it may be sent again.
    """

    item: Item
    deadline: float
    answer: asyncio.Future[Found]
    since: float = field(default_factory=time.monotonic)
    tries: int = 0
    alone: bool = False
    avoid: str = ""
    loads: int = 0
    not_before: float = 0.0

    @property
    def brand(self) -> str:
        """Whose picture it is."""
        return self.item.brand

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.answer.done() or time.monotonic() >= self.deadline

    def settle(self, result: Found | AssayError) -> None:
        """Gives whoever waits the result, or raises the error there."""
        if isinstance(result, AssayError):
            self.refuse(result)
        elif not self.answer.done():
            self.answer.set_result(result)

    def refuse(self, error: AssayError) -> None:
        """Raises an error where somebody waits."""
        if not self.answer.done():
            self.answer.set_exception(error)


class FairQueue(Generic[Q]):
    """First in, first out within a brand; between brands one each in turn (round robin: each costs about the
    same, so no deficits need to be carried).

    A brand that comes anew is served before those that have had a turn, as sparse flows are in FQ-CoDel (RFC
    8290): it does not wait behind a flood's next. Having had its turn it lines up behind the others,
    even if nothing of it waits then, so that coming again at once gains nothing.
    """

    def __init__(self, limit: int) -> None:
        self.shares = Shares(limit)
        self._lines: dict[str, deque[Q]] = {}
        self._new: OrderedDict[str, None] = OrderedDict()
        self._served: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return self.shares.total

    def counts(self) -> dict[str, int]:
        """How many of each brand wait."""
        return {brand: len(line) for brand, line in self._lines.items() if line}

    def add(self, waiting: Q) -> None:
        """Queues one; whether there is room was asked before."""
        brand = waiting.brand
        if brand not in self._lines:
            self._new[brand] = None
        self._lines.setdefault(brand, deque()).append(waiting)
        self.shares.add(brand)

    def put_back(self, waiting: Q) -> None:
        """Queues one that was taken in vain, before all others."""
        brand = waiting.brand
        self._served.pop(brand, None)
        self._new[brand] = None
        self._new.move_to_end(brand, last=False)
        self._lines.setdefault(brand, deque()).appendleft(waiting)
        self.shares.add(brand)

    def take(self, limit: int, may: Callable[[Q], bool], each: int | None = None) -> list[Q]:
        """The next ones, at most `limit` and at most `each` of one brand, of the brands whose oldest `may`
        go; those that nobody waits for any more are dropped. One that must be alone comes alone."""
        batch: list[Q] = []
        taken: Counter[str] = Counter()
        progress = True
        while progress and len(batch) < limit:
            progress = False
            for brand in [*self._new, *self._served]:
                if len(batch) == limit:
                    break
                head = self._find_head(brand)
                if head is None:
                    self._forget(brand)
                elif not (head.alone and batch) and (each is None or taken[brand] < each) and may(head):
                    batch.append(self._pop(brand))
                    taken[brand] += 1
                    self._end_turn(brand)
                    if head.alone:
                        return batch
                    progress = True
        return batch

    def clean(self) -> None:
        """Drops what nobody waits for any more, wherever it stands."""
        for brand, line in self._lines.items():
            kept = deque(waiting for waiting in line if not waiting.given_up)
            for _ in range(len(line) - len(kept)):
                self.shares.remove(brand)
            self._lines[brand] = kept

    def drain(self) -> Iterator[Q]:
        """Takes everything."""
        for brand in list(self._lines):
            while self._lines[brand]:
                yield self._pop(brand)
            self._forget(brand)

    def _find_head(self, brand: str) -> Q | None:
        """A brand's oldest that somebody waits for; those before it are dropped."""
        line = self._lines[brand]
        while line and line[0].given_up:
            self._pop(brand)
        return line[0] if line else None

    def _pop(self, brand: str) -> Q:
        self.shares.remove(brand)
        return self._lines[brand].popleft()

    def _end_turn(self, brand: str) -> None:
        self._new.pop(brand, None)
        self._served[brand] = None
        self._served.move_to_end(brand)

    def _forget(self, brand: str) -> None:
        del self._lines[brand]
        self._new.pop(brand, None)
        self._served.pop(brand, None)
