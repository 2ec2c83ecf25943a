"""Which pictures may wait for an engine: those that will be answered by their deadline."""

from __future__ import annotations

from typing import NoReturn

from prometheus_client import Counter

from assay_inference.engine_hosts import Hosts
from assay_inference.errors import BrandFlood, Busy
from assay_inference.fair_queue import FairQueue, Waiting

REFUSED = Counter("assay_engine_refused", "pictures refused on the way to the engine, by cause", ["cause"])
for _cause in ("flood", "full", "deadline", "away", "loading"):
    # A series that appears with its first refusal has no increase: an alert would miss it.
    REFUSED.labels(_cause)
SAFETY = 1.5
"""The rate may fall by a third while a picture waits; beyond its deadline it would be computed for nobody."""


class Admission:
    """Looks at the queue and at the hosts' pace."""

    def __init__(self, queue: FairQueue[Waiting], hosts: Hosts) -> None:
        self._queue = queue
        self._hosts = hosts

    def wait_seconds(self, brand: str | None = None) -> float | None:
        """How long one more picture of a brand would wait now, or what waits altogether takes; None where no
        host's pace is known."""
        rate = self._hosts.pictures_per_second()
        if rate is None:
            return None
        shares = self._queue.shares
        ahead = shares.total if brand is None else min(shares.total, (shares[brand] + 1) * len(shares))
        return ahead / rate

    def check(self, brand: str, deadline_seconds: float) -> None:
        """Raises BrandFlood or Busy where one more picture of the brand has no room, or would be late."""
        shares = self._queue.shares
        if not shares.has_room(brand):
            self._queue.clean()
        if not shares.has_room(brand) or self._expect(brand) > deadline_seconds:
            self._refuse(brand)

    def _expect(self, brand: str) -> float:
        """Seconds within which one more picture of this brand is answered; 0 where nothing waits."""
        wait = self.wait_seconds(brand)
        return SAFETY * wait + self._hosts.seconds_per_request() if wait else 0.0

    def _refuse(self, brand: str) -> NoReturn:
        shares = self._queue.shares
        if shares.floods(brand):
            REFUSED.labels("flood").inc()
            reason = f"{shares[brand]} pictures of brand {brand!r} wait for the detector; send more later"
            raise BrandFlood(reason).after(self.wait_seconds(brand))
        REFUSED.labels("full").inc()
        reason = f"{shares.total} pictures are waiting for the detector; send again later"
        raise Busy(reason).after(self.wait_seconds())
