"""The TorchServes: which brand belongs to which, what each has in hand, and whether it lives.

A brand goes to its host by weighted rendezvous hashing: every host has a number for every brand, the smallest
wins. When a host dies its brands, and no others, go to their next; when it is back they return. So each host
keeps its own share of the brands in memory.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

from prometheus_client import Gauge

from assay_inference.pace import Pace
from assay_inference.warmth import Warmth
from assay_shared import logs

UP = Gauge("assay_engine_host_up", "1 while a TorchServe is sent pictures, else 0", ["host"])
BUSY = Gauge("assay_engine_host_requests", "requests that a TorchServe has in hand", ["host"])
PATIENCE = 6.0
"""A host is silent when it has answered nothing for so many times what its requests take."""
UNKNOWN_SECONDS = 0.25
"""What its requests are taken to take before the first answer."""

log = logs.get_logger(__name__)


class Host:
    """One TorchServe with `slots` workers, each of which is sent one request at a time, and computes
    `streams` pictures of it at once."""

    def __init__(self, url: str, slots: int, silence_seconds: float, streams: int = 1) -> None:
        self.url = url
        self.slots = slots
        self.alive = True
        self.changed = asyncio.Event()
        self.pace = Pace(streams)
        self.answered = Warmth()
        self.told = Warmth()
        self.in_hand: Counter[str] = Counter()
        self._silence = silence_seconds
        self._calls: dict[asyncio.Timeout, float] = {}
        self._taken = 0
        self.heard = time.monotonic()
        self.probed = -math.inf
        UP.labels(url).set(1)

    @property
    def free(self) -> int:
        """Requests that it can be sent now."""
        return self.slots - self._taken

    @property
    def idle(self) -> bool:
        """Whether it has no request in hand."""
        return self._taken == 0

    def take(self, brands: Iterable[str]) -> None:
        """A request of these brands takes a slot, until `release`."""
        self._taken += 1
        self.in_hand.update(brands)
        BUSY.labels(self.url).set(self._taken)

    def release(self, brands: Iterable[str]) -> None:
        """A request of these brands has ended."""
        self._taken -= 1
        self.in_hand.subtract(brands)
        self.in_hand += Counter()  # drops zeros
        BUSY.labels(self.url).set(self._taken)

    @contextmanager
    def call(self, patience: asyncio.Timeout) -> Iterator[None]:
        """A request is on its way; `give_up` ends `patience` with it."""
        self._calls[patience] = time.monotonic()
        try:
            yield
        finally:
            del self._calls[patience]

    def is_silent(self) -> bool:
        """Whether it has had a request in hand and answered nothing for too long."""
        if not self._calls:
            return False
        since = max(self.heard, min(self._calls.values()))
        usual = self.pace.seconds_per_request
        limit = max(self._silence, PATIENCE * (UNKNOWN_SECONDS if usual is None else usual))
        return time.monotonic() - since > limit

    def hear(self) -> None:
        """It has answered."""
        self.heard = time.monotonic()
        if not self.alive:
            self.alive = True
            UP.labels(self.url).set(1)
            log.info("engine host is back", host=self.url)

    def lose(self, reason: str) -> None:
        """It failed a request: it is left aside until it answers a probe."""
        if self.alive:
            self.alive = False
            self.answered.clear()
            self.told.clear()
            UP.labels(self.url).set(0)
            log.warning("engine host is left aside", host=self.url, reason=reason)
        self.changed.set()

    def give_up(self) -> None:
        """Ends all requests that are on their way, as if they had timed out now."""
        now = asyncio.get_running_loop().time()
        for patience in list(self._calls):
            patience.reschedule(now)


class Hosts(Sequence[Host]):
    """All hosts, in the order of the settings."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._hosts = list(hosts)
        slots = {host.url: host.slots for host in hosts}
        by_url = {host.url: host for host in hosts}

        @lru_cache(maxsize=10_000)
        def order(brand: str) -> tuple[Host, ...]:
            return tuple(by_url[url] for url in rank(brand, slots))

        self._order = order

    def __len__(self) -> int:
        return len(self._hosts)

    def __getitem__(self, place: int) -> Host:  # type: ignore[override]  # no slices are needed
        return self._hosts[place]

    def others_live(self, host: Host) -> bool:
        """Whether there is anybody else to send pictures to."""
        return any(other.alive for other in self._hosts if other is not host)

    def usable(self) -> list[Host]:
        """Those that live; all where none does, since somebody must be asked."""
        return [host for host in self._hosts if host.alive] or self._hosts

    def order_for(self, brand: str, avoid: str = "") -> list[Host]:
        """The usable hosts, a brand's own first; not the one to avoid if there is another."""
        ranked = self._order(brand)
        living = [host for host in ranked if host.alive] or list(ranked)
        return [host for host in living if host.url != avoid] or living

    def pictures_per_second(self) -> float | None:
        """What all that live answer under load; None where that is not known."""
        rates = [
            host.slots / host.pace.seconds_per_picture
            for host in self._hosts
            if host.alive and host.pace.seconds_per_picture
        ]
        return sum(rates) or None

    def seconds_per_request(self) -> float:
        """What the slowest that lives takes for one; 0 where none is known."""
        return max((host.pace.seconds_per_request or 0.0 for host in self._hosts if host.alive), default=0.0)


def rank(brand: str, slots: dict[str, int]) -> list[str]:
    """Hosts in the order in which a brand prefers them, by their names and numbers of workers.

    Weighted rendezvous hashing (Schindelhauer and Schomaker 2005): -weight / ln(u) with u uniform in (0, 1)
    is largest for a host with the probability of its weight's share.
    """
    return sorted(slots, key=lambda host: (slots[host] / math.log(_uniform(host, brand)), host))


def _uniform(host: str, brand: str) -> float:
    digest = hashlib.blake2b(f"{host}\n{brand}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) + 0.5) / 2**64
