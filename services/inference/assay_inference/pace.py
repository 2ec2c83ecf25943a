"""How fast a host answers, learnt from its answers: what batch is worth while, how long a queue lasts."""

from __future__ import annotations

import math

MEMORY = 0.98
"""Weight of the past at each answer: about the last fifty count."""
SMOOTHING = 0.1
FIXED_SHARE = 1 / 8
"""Of a batch's time that may be its fixed cost (the way there, starting kernels); a larger batch only delays
whoever is in it. A GPU gets large batches so, a CPU, where each picture costs the same, single pictures."""
LONGEST_SECONDS = 0.1
"""That a batch of several may take; whoever comes meanwhile waits for it."""
ENOUGH = 8
"""Answers until there is an opinion."""
SPREAD = 0.02
"""Variance of batch sizes below which they say nothing about what one more picture costs."""


class Pace:
    """A straight line through (pictures, seconds) of a host's answers, the older ones fading."""

    def __init__(self, streams: int = 1) -> None:
        """`streams`: pictures of one request that take no longer than one of them."""
        self._streams = streams
        self._weight = self._n = self._t = self._nn = self._nt = 0.0
        self._answers = 0
        self._limit: int | None = None
        self.seconds_per_picture: float | None = None
        self.seconds_per_request: float | None = None

    def note(self, pictures: int, seconds: float) -> None:
        """A request of so many warm pictures took so long."""
        self._answers += 1
        self._weight = self._weight * MEMORY + 1
        self._n = self._n * MEMORY + pictures
        self._t = self._t * MEMORY + seconds
        self._nn = self._nn * MEMORY + pictures * pictures
        self._nt = self._nt * MEMORY + pictures * seconds
        self.seconds_per_picture = _blend(self.seconds_per_picture, seconds / pictures)
        self.seconds_per_request = _blend(self.seconds_per_request, seconds)

    def choose_batch(self, most: int) -> int:
        """Pictures in one request, 1 to `most`: as many as are worth while, in LONGEST_SECONDS, and no stream
        left idle while pictures wait."""
        if self.seconds_per_picture is None:
            return most
        limit = max(1, min(most, int(LONGEST_SECONDS / self.seconds_per_picture)))
        wanted = min(limit, self._find_worthwhile(limit))
        return min(most, max(self._streams, wanted - wanted % self._streams))

    def count_within(self, seconds: float) -> int | None:
        """Pictures of one request that take so long, at least those of all streams; None while nothing is
        known."""
        if self.seconds_per_picture is None:
            return None
        fixed, each = self._fit() or (0.0, self.seconds_per_picture)
        return max(1, self._streams, int((seconds - fixed) / each))

    def _find_worthwhile(self, most: int) -> int:
        """`most` until enough is known. Where all batches have had one size for long, twice that is tried."""
        if self._answers < ENOUGH:
            return most
        if self._variance() < SPREAD:
            return 2 * (self._limit or most)
        line = self._fit()
        # fixed / (fixed + n * each) <= FIXED_SHARE
        wanted = line[0] / line[1] * (1 / FIXED_SHARE - 1) if line else most
        self._limit = max(1, math.ceil(min(wanted, most)))
        return self._limit

    def _variance(self) -> float:
        mean = self._n / self._weight
        return self._nn / self._weight - mean * mean

    def _fit(self) -> tuple[float, float] | None:
        """A request's fixed seconds, and those of each picture; None where the answers do not tell."""
        variance = self._variance()
        if variance < SPREAD:
            return None
        mean = self._n / self._weight
        each = (self._nt / self._weight - mean * self._t / self._weight) / variance
        return (max(0.0, self._t / self._weight - each * mean), each) if each > 0 else None


def _blend(known: float | None, new: float) -> float:
    return new if known is None else known + SMOOTHING * (new - known)
