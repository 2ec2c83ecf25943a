"""How much a model is wanted: least recently used, weighed by frequency.

The policy is LRFU (Lee et al., "LRFU: a spectrum of policies that subsumes the least recently used and
least frequently used policies", IEEE Transactions on Computers 50(12), 2001): a use counts 1, and half of
that after each half-life. All counts decay alike, so their order changes only by uses, and a count is kept as
the moment at which it would be 1: a rank in seconds since 1970, which needs no decaying and can be a file's
mtime.
A brand's history is kept while its model is away, as in W-TinyLFU, so that what is fetched again need not
earn its place anew.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

Key = tuple[str, str]
"""Brand and version."""

HALF_LIFE_SECONDS = 900.0
"""Of a use. Shorter forgets the tail of many brands, longer clings to what was wanted this morning; compared
by `python -m bench.engine_zipf`."""
RECENT_SECONDS = 0.5
"""Used since then: goes after everything else. A brand is loaded when its picture is announced, and must be
there still when the decoded picture follows."""
MAX_BRANDS = 1 << 16
"""Brands whose history is kept, 200 bytes each."""
_MAX_DOUBLINGS = 60.0


@dataclass
class _History:
    rank: float
    version: str
    used: float


class Popularity:
    """Ranks of models, by their brand's uses. Safe to share between threads.

    A brand's uses count for the version asked for last: the one before is wanted by nobody, however popular
    it was.
    """

    def __init__(
        self, half_life_seconds: float = HALF_LIFE_SECONDS, clock: Callable[[], float] = time.time
    ) -> None:
        self._half_life = half_life_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._histories: dict[str, _History] = {}

    def use(self, key: Key) -> None:
        """Counts a use of a model."""
        brand, version = key
        now = self._clock()
        with self._lock:
            history = self._histories.get(brand)
            if history is None:
                self._make_room()
                self._histories[brand] = _History(now, version, now)
                return
            doublings = min((history.rank - now) / self._half_life, _MAX_DOUBLINGS)
            history.rank = now + self._half_life * math.log2(1 + 2**doublings)
            history.version, history.used = version, now

    def remember(self, key: Key, rank: float) -> None:
        """Takes a rank from before this process began; what was used here since knows better."""
        brand, version = key
        with self._lock:
            history = self._histories.get(brand)
            if history is None:
                self._make_room()
                self._histories[brand] = _History(rank, version, 0.0)
            elif not history.used and rank > history.rank:
                history.rank, history.version = rank, version

    def rank(self, key: Key) -> float:
        """The moment, in seconds since 1970, at which the model's decayed uses would be 1; 0 for a version
        that is no longer asked for, and for a brand that is not known."""
        history = self._histories.get(key[0])
        return history.rank if history is not None and history.version == key[1] else 0.0

    def order(self, key: Key) -> tuple[bool, float]:
        """What to sort models by, so that those to give up come first."""
        history = self._histories.get(key[0])
        if history is None or history.version != key[1]:
            return False, 0.0
        return self._clock() - history.used < RECENT_SECONDS, history.rank

    def _make_room(self) -> None:
        """Forgets the lower half when the limit is reached."""
        if len(self._histories) >= MAX_BRANDS:
            by_rank = sorted(self._histories, key=lambda brand: self._histories[brand].rank)
            for brand in by_rank[: MAX_BRANDS // 2]:
                del self._histories[brand]
