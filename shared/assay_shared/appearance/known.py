"""What known counterfeits of a product have in common; what departs likewise is doubted sooner."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay_shared.appearance.patches import Doubles
from assay_shared.appearance.standard import measure_above

LEAST_KNOWN = 2
"""Counterfeits under which nothing is said to be common to them."""
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
        return np.asarray((standardised @ self.weights - self.middle) / self.spread)


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


def sharpen(p: float, alike: float) -> float:
    """The p-value of a photo that departs by any cause with `p`, and as known counterfeits do with `alike`:
    the chance that p itself, or the geometric mean of both, is as small as the smaller of the two is here.

    With d the smaller, that is d + d**2 ln(1/d) for a genuine photo whose p-values are independent. They go
    together, for they are of the same causes; then it is up to a tenth more at 0.02 and less above 0.05.
    So known counterfeits hardly cost counterfeits of other kinds; as one of the causes, of which the greatest
    decides, they would raise what all are compared with (`python -m bench.accuracy.known`; docs/accuracy.md).
    """
    least = min(p, math.sqrt(p * alike))
    return min(1.0, least + least**2 * math.log(1 / least))
