"""How sure a figure is that was counted over few pictures. Needs no NumPy, for the registry has none."""

from __future__ import annotations

import math

Z95 = 1.96
"""Standard normal deviate of a two-sided 95 % interval."""


def wilson_interval(hits: float, trials: float, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval of a share, 95 % by default (Wilson 1927, JASA 22:209). No trials: 0 to 1."""
    if trials <= 0:
        return 0.0, 1.0
    share = hits / trials
    scale = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    reach = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / scale
    # At the ends the formula gives exactly 0 and 1, but for rounding.
    low = 0.0 if hits == 0 else max(0.0, middle - reach)
    high = 1.0 if hits == trials else min(1.0, middle + reach)
    return low, high


def share_interval(hits: int, trials: int, groups: int) -> tuple[float, float]:
    """Wilson's interval of a share that was counted over groups of near-duplicates.

    Trials of one group are nearly one trial, so the interval is as wide as that of `groups` trials: the
    most careful choice of the effective sample size (Kish 1965, Survey Sampling, at full correlation).
    """
    if trials <= 0:
        return 0.0, 1.0
    effective = min(trials, groups)
    return wilson_interval(hits / trials * effective, effective)


def count_needed(low: float) -> int:
    """How many trials, all of them right, put the lower end of Wilson's interval at `low` or above; 1 at
    least. Raises ValueError for 1 or more, which no number of trials reaches."""
    if low >= 1:
        raise ValueError(f"no number of trials puts an interval's lower end at {low}")
    # For n hits in n trials the lower end is n / (n + z^2).
    return max(1, math.ceil(low * Z95 * Z95 / (1 - low) - 1e-9))


def sign_test(worse: int, better: int) -> float:
    """The chance that at least this many of the pairs that differ are worse if worse and better are equally
    likely: the exact one-sided sign test, which for right and wrong is McNemar's (1947)."""
    differing = worse + better
    ways = sum(math.comb(differing, count) for count in range(worse, differing + 1))
    return ways / float(2**differing)
