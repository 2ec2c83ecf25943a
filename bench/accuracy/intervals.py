"""Areas under ROC curves and shares, over brands, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from assay_shared.intervals import Z95, wilson_interval

DRAWS = 1000
"""Of brands, for the part of an interval that comes from which brands were drawn."""


@dataclass(frozen=True)
class Figure:
    """A figure and its 95 % interval; `count` of the photos it rests on (of the rarer class, for an area)."""

    value: float
    low: float
    high: float
    count: int


Pair = tuple[Sequence[float], Sequence[float]]
"""Scores of genuine and of fake photos of one brand."""


def measure_area(brands: Sequence[Pair]) -> Figure | None:
    """The chance of a genuine photo to score above a fake one of the same brand (Mann and Whitney), all such
    pairs alike. None where there is no such pair.

    The interval is the wider, each way, of Newcombe's for the photos and the bootstrap's over the brands.
    """
    wins = np.array([_count_wins(*pair) for pair in brands])
    pairs = np.array([len(genuine) * len(fakes) for genuine, fakes in brands], np.float64)
    if pairs.sum() == 0:
        return None
    area = float(wins.sum() / pairs.sum())
    used = [pair for pair, count in zip(brands, pairs, strict=True) if count]
    genuine, fakes = (sum(len(pair[side]) for pair in used) for side in (0, 1))
    low, high = newcombe_interval(area, genuine, fakes)
    return _widen(area, low, high, wins, pairs, min(genuine, fakes))


def measure_share(brands: Sequence[Sequence[bool]]) -> Figure | None:
    """A share of photos; its interval the wider, each way, of Wilson's for the photos and the bootstrap's
    over the brands. None without photos."""
    hits = np.array([sum(flags) for flags in brands], np.float64)
    counts = np.array([len(flags) for flags in brands], np.float64)
    if counts.sum() == 0:
        return None
    low, high = wilson_interval(float(hits.sum()), float(counts.sum()))
    return _widen(float(hits.sum() / counts.sum()), low, high, hits, counts, int(counts.sum()))


def newcombe_interval(area: float, genuine: int, fakes: int) -> tuple[float, float]:
    """The 95 % interval of an area under the ROC curve by its counts: the areas whose own standard error
    (Hanley and McNeil's, for exponential scores) reaches what was found (Newcombe 2006, Statistics in
    Medicine 25:559, method 5). Unlike a bootstrap it does not shrink to nothing at 1."""
    spare = (genuine + fakes) / 2 - 1

    def reaches(one: float) -> bool:
        spread = one * (1 - one) * (1 + spare * ((1 - one) / (2 - one) + one / (1 + one)))
        return (one - area) ** 2 <= Z95**2 * spread / (genuine * fakes)

    return _find_edge(reaches, area, 0.0), _find_edge(reaches, area, 1.0)


def _find_edge(reaches: Callable[[float], bool], inside: float, outside: float) -> float:
    if reaches(outside):
        return outside
    for _ in range(50):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if reaches(middle) else (inside, middle)
    return inside


def _widen(
    value: float,
    low: float,
    high: float,
    hits: np.ndarray[tuple[int], np.dtype[np.float64]],
    counts: np.ndarray[tuple[int], np.dtype[np.float64]],
    count: int,
) -> Figure:
    """Photos of one brand are alike: other brands would have given other figures."""
    used = np.flatnonzero(counts)
    if len(used) > 1:
        drawn = np.random.default_rng(0).choice(used, (DRAWS, len(used)))
        values = hits[drawn].sum(1) / counts[drawn].sum(1)
        lower, upper = np.percentile(values, [2.5, 97.5])
        low, high = min(low, float(lower)), max(high, float(upper))
    return Figure(value, low, high, count)


def _count_wins(genuine: Sequence[float], fakes: Sequence[float]) -> float:
    """Pairs in which the genuine photo scores higher, ties as halves."""
    ordered = np.sort(np.asarray(fakes, np.float64))
    scores = np.asarray(genuine, np.float64)
    below, upto = (np.searchsorted(ordered, scores, side) for side in ("left", "right"))
    return float((below + upto).sum() / 2)
