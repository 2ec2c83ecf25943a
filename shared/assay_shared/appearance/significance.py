"""What scores mean against those of genuine photos: comparable, calibrated cause by cause, joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay_shared.appearance.calibration import Calibration, calibrate
from assay_shared.appearance.known import LEAST_KNOWN, KnownKind, fit_known, score_without, sharpen
from assay_shared.appearance.patches import Doubles
from assay_shared.appearance.standard import Standard, join, standardise_without

KNOWN = "known"
"""The cause of those that depart as known counterfeits do."""


@dataclass(frozen=True)
class KnownCounterfeits:
    """How known counterfeits score: scores (k, c) by the statistics of genuine photos, conditions (k, n)."""

    scores: Doubles
    conditions: Doubles


@dataclass(frozen=True)
class Significance:
    """How genuine photos score; a calibration for each cause and of all causes joined, with the `lead` (c,)
    that each cause has in that; `known`, what known counterfeits have in common, where there are some, with a
    calibration of its own."""

    standard: Standard
    calibrations: Mapping[str, Calibration]
    lead: Doubles
    joint: Calibration
    known: KnownKind | None = None

    def find_p_values(
        self, scores: Mapping[str, float], conditions: Doubles
    ) -> tuple[float, dict[str, float]]:
        """The chance of a genuine photo under conditions (k,) to depart as far as these scores, and the same
        by cause."""
        row = np.array([[scores[cause] for cause in self.calibrations if cause != KNOWN]])
        standardised = self.standard.standardise(row, conditions[None])
        columns = standardised[0]
        if self.known is not None:
            columns = np.append(columns, self.known.score(standardised))
        causes = {
            cause: calibration.p_value(float(score))
            for (cause, calibration), score in zip(self.calibrations.items(), columns, strict=True)
        }
        p = self.joint.p_value(float(join(standardised, self.lead)[0]))
        return p if self.known is None else sharpen(p, causes[KNOWN]), causes


def fit_significance(
    scores: Doubles,
    conditions: Doubles,
    leads: Mapping[str, float],
    groups: Sequence[str],
    known: KnownCounterfeits | None = None,
) -> Significance:
    """What the scores (n, c) of genuine photos under conditions (n, k) say, each by statistics that have not
    seen its photo, of causes that have `leads`; near-duplicates share the name of a group. `known` need not
    be there."""
    standard, standardised = standardise_without(scores, conditions, groups)
    calibrations = {cause: calibrate(column) for cause, column in zip(leads, standardised.T, strict=True)}
    lead = np.array([*leads.values()])
    kind = None
    if known is not None and len(known.scores) >= LEAST_KNOWN:
        found = standard.standardise(known.scores, known.conditions)
        kind = fit_known(standardised, found)
        if kind is not None:
            calibrations[KNOWN] = calibrate(score_without(standardised, found, groups))
    return Significance(standard, calibrations, lead, calibrate(join(standardised, lead)), kind)
