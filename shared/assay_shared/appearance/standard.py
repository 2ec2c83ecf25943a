"""Scores of different causes made comparable: in spreads of genuine photos, pose explained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay_shared.appearance.calibration import CENSORED
from assay_shared.appearance.patches import Doubles
from assay_shared.appearance.robust import Regression, fit_regression

RIDGE = 0.1
"""Shrinks what conditions explain: they explain little, and photos are few."""


@dataclass(frozen=True)
class Standard:
    """How genuine photos score: `usual`, what is expected of the logarithm of each cause's score under a
    photo's conditions, and `spread` (c,), of those that score more than that (root mean square)."""

    usual: Regression
    spread: Doubles

    def standardise(self, scores: Doubles, conditions: Doubles) -> Doubles:
        """Spreads (n, c) by which scores (n, c) of photos under conditions (n, k) exceed what is usual."""
        return np.asarray(self.usual.rest(conditions, np.log1p(np.maximum(scores, 0))) / self.spread)


def fit_standard(scores: Doubles, conditions: Doubles) -> Standard:
    """The standard of genuine photos: scores (n, c), each by statistics that have not seen the photo, and
    conditions (n, k). Any causes will do; the spread is that above the median, for only there photos are
    doubted."""
    logs = np.log1p(np.maximum(scores, 0))
    usual = fit_regression(conditions, logs, RIDGE)
    middle, spread = measure_above(usual.rest(conditions, logs))
    moved = Regression(usual.centre, usual.spread, usual.slopes, usual.middle + middle, usual.low, usual.high)
    return Standard(moved, spread)


def measure_above(values: Doubles) -> tuple[Doubles, Doubles]:
    """The middle (c,) of values (n, c), and the spread (c,) of those above it (root mean square).

    The CENSORED greatest count as no greater than the next, as in the tail of a calibration: one photo that
    was aligned badly can be nine spreads off by a cause, and would set that cause behind all others.
    """
    # The median is the middle: a mean would lie where the odd photos draw it.
    middle = np.median(values, 0)
    next_greatest = np.sort(values, 0)[-1 - CENSORED]
    above = np.maximum(np.minimum(values, next_greatest) - middle, 0)
    count = np.maximum((values > middle).sum(0), 1)
    return np.asarray(middle), np.asarray(np.sqrt((above**2).sum(0) / count) + 1e-6)


def standardise_without(
    scores: Doubles, conditions: Doubles, groups: Sequence[str]
) -> tuple[Standard, Doubles]:
    """The standard of all photos' scores (n, c), and each photo's (n, c) by the standard of the others.

    Group by group, not fold by fold: of the few odd photos that say how far such go, a fold can hold all.
    """
    standardised = np.zeros_like(scores)
    names = np.array(groups)
    for group in dict.fromkeys(groups):
        own = names == group
        others = fit_standard(scores[~own], conditions[~own])
        standardised[own] = others.standardise(scores[own], conditions[own])
    return fit_standard(scores, conditions), standardised


def join(standardised: Doubles, lead: Doubles) -> Doubles:
    """One score (n,) of all causes (n, c): the greatest, for a fake departs by one cause and the others only
    add their noise. `lead` (c,): spreads by which a cause is ahead of the others."""
    return np.asarray((standardised + lead).max(-1))
