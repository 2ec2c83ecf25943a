"""What a product's known counterfeits have in common: one more cause to doubt a photo by, of all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay_shared.appearance.patches import Doubles
from assay_shared.appearance.standard import measure_above

LEAST_KNOWN = 2
"""Counterfeits under which nothing is said to be common to them."""
PREFERENCE = 1.3
"""How much more a departure as known counterfeits have it counts than any other: more catches more of their
kind and fewer of kinds that nobody knows (`python -m bench.accuracy.known`; docs/accuracy.md)."""
MOST_DEPARTURE = 6.0
"""Spreads by which one counterfeit counts at most: another cause, or the same in a copy, may be missing."""
RIDGE = 0.5
"""Shrinks how causes go together in genuine photos, in their mean variance: photos are few."""


@dataclass(frozen=True)
class KnownKind:
    """`weights` (c,), none negative, of the spreads by cause; `middle` and `spread` of their sum in genuine
    photos."""

    weights: Doubles
    middle: float
    spread: float

    def score(self, standardised: Doubles) -> Doubles:
        """How far photos depart (n,) in the way of known counterfeits, of spreads by cause (n, c)."""
        return np.asarray(PREFERENCE * (standardised @ self.weights - self.middle) / self.spread)


def fit_known(genuine: Doubles, known: Doubles) -> KnownKind | None:
    """What tells known counterfeits (k, c) from genuine photos (n, c), both in spreads by cause: Fisher's
    discriminant (1936) with a ridge, for there are more causes than counterfeits. A cause by which
    counterfeits look more genuine than genuine ones says nothing. None where nothing tells them apart.
    """
    middle = np.median(genuine, 0)
    departure = np.clip(known - middle, -1, MOST_DEPARTURE).mean(0)
    together = np.cov(genuine.T)
    together += RIDGE * np.trace(together) / len(together) * np.eye(len(together))
    weights = np.maximum(np.linalg.solve(together, departure), 0)
    if not weights.any():
        return None
    middles, spreads = measure_above((genuine @ weights)[:, None])
    return KnownKind(weights, float(middles[0]), float(spreads[0]))


def score_without(genuine: Doubles, known: Doubles, groups: Sequence[str]) -> Doubles:
    """How far each genuine photo departs (n,) in the way of known counterfeits, told by the other groups."""
    names, scores = np.array(groups), np.zeros(len(genuine))
    for group in dict.fromkeys(groups):
        own = names == group
        kind = fit_known(genuine[~own], known)
        # Where the others see nothing in common, nothing doubts this one.
        scores[own] = -np.inf if kind is None else kind.score(genuine[own])
    finite = scores[np.isfinite(scores)]
    return np.where(np.isfinite(scores), scores, finite.min() if len(finite) else 0.0)
