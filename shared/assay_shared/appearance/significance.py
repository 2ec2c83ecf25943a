"""What scores mean against those of genuine photos: comparable, calibrated cause by cause, joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay_shared.appearance.calibration import Calibration, calibrate
from assay_shared.appearance.patches import Doubles
from assay_shared.appearance.standard import Standard, join, standardise_without


@dataclass(frozen=True)
class Significance:
    """How genuine photos score; a calibration for each cause and of all causes joined."""

    standard: Standard
    calibrations: Mapping[str, Calibration]
    joint: Calibration

    def find_p_values(
        self, scores: Mapping[str, float], conditions: Doubles
    ) -> tuple[float, dict[str, float]]:
        """The chance of a genuine photo under conditions (k,) to depart as far as these scores, and the same
        by cause."""
        row = np.array([[scores[cause] for cause in self.calibrations]])
        standardised = self.standard.standardise(row, conditions[None])[0]
        causes = {
            cause: calibration.p_value(float(score))
            for (cause, calibration), score in zip(self.calibrations.items(), standardised, strict=True)
        }
        return self.joint.p_value(float(join(standardised))), causes


def fit_significance(
    scores: Doubles, conditions: Doubles, causes: Sequence[str], groups: Sequence[str]
) -> Significance:
    """What the scores (n, c) of genuine photos under conditions (n, k) say, each by statistics that have not
    seen its photo; near-duplicates share the name of a group."""
    standard, standardised = standardise_without(scores, conditions, groups)
    calibrations = {cause: calibrate(column) for cause, column in zip(causes, standardised.T, strict=True)}
    return Significance(standard, calibrations, calibrate(join(standardised)))
