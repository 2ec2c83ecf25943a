"""Which waiting pictures go to which free worker: brands in turn, each to its own host, a hot one to more."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Iterator

from assay_inference.engine_hosts import Host, Hosts
from assay_inference.fair_queue import FairQueue, Waiting

SHARED_SECONDS = 0.02
"""That a worker computes pictures of one brand while others may come."""
SPREAD_SECONDS = 0.1
"""A brand's next host helps where the wait at those before it is longer: about what loading a model takes."""


class Router:
    """Takes from a queue for the free workers of hosts, at most `batch` pictures at a time.

    While another brand came in the last `reserve_seconds`, no brand takes the last free worker of a host
    whose others it has all, and a worker is given no more of one brand than take SHARED_SECONDS: whoever
    comes next need not wait until a flood's pictures are done.
    """

    def __init__(self, queue: FairQueue[Waiting], hosts: Hosts, batch: int, reserve_seconds: float) -> None:
        self._queue = queue
        self._hosts = hosts
        self._batch = batch
        self._reserve = reserve_seconds
        self._came: OrderedDict[str, float] = OrderedDict()

    def note_arrival(self, brand: str) -> None:
        """A picture of this brand came."""
        self._came[brand] = time.monotonic()
        self._came.move_to_end(brand)
        # Two are enough to know of another than any one.
        while len(self._came) > 2:
            self._came.popitem(last=False)

    def route(self) -> Iterator[tuple[Host, list[Waiting], bool]]:
        """Batches for free workers, each with its host and whether that is another than its brands' own. Take
        the host's slot before asking for the next."""
        several = len(self._hosts) > 1
        for guests in (False, True) if several else (False,):
            waits = self._waits_at_home() if guests else {}
            for host in self._hosts.usable():
                while host.free and (batch := self._take(host, waits)):
                    yield host, batch, guests

    def _take(self, host: Host, waits: dict[str, float]) -> list[Waiting]:
        return self._queue.take(
            host.pace.choose_batch(self._batch),
            lambda head: self._may(host, head, waits),
            each=host.pace.count_within(SHARED_SECONDS) if self._is_shared() else None,
        )

    def _may(self, host: Host, head: Waiting, waits: dict[str, float]) -> bool:
        if time.monotonic() < head.not_before:
            return False
        brand = head.item.brand
        order = self._hosts.order_for(brand, head.avoid)
        if host not in order or self._must_leave(host, brand):
            return False
        place = order.index(host)
        return place == 0 or waits.get(brand, 0.0) > place * SPREAD_SECONDS

    def _must_leave(self, host: Host, brand: str) -> bool:
        """Whether the last free worker of a host is kept from a brand that has all the others."""
        if host.slots < 2 or host.free > 1 or host.in_hand[brand] < host.slots - 1:
            return False
        return any(other != brand for other in self._list_recent())

    def _is_shared(self) -> bool:
        """Whether several brands came lately."""
        return len(self._list_recent()) > 1

    def _list_recent(self) -> list[str]:
        now = time.monotonic()
        return [brand for brand, came in self._came.items() if now - came < self._reserve]

    def _waits_at_home(self) -> dict[str, float]:
        """Seconds that the newest picture of each brand would wait at the brand's own host: for its turn, or
        until all that waits there is done, whichever comes first."""
        counts = self._queue.counts()
        homes = {brand: self._hosts.order_for(brand)[0] for brand in counts}
        brands = Counter(homes.values())
        backlog: Counter[Host] = Counter()
        for brand, home in homes.items():
            backlog[home] += counts[brand]
        waits = {}
        for brand, home in homes.items():
            ahead = min(backlog[home], counts[brand] * brands[home])
            waits[brand] = ahead * (home.pace.seconds_per_picture or SPREAD_SECONDS) / home.slots
        return waits
