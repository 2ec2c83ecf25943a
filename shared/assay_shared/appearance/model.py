"""What is known of one product's appearance, and the judgement of a photo by it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from assay_shared.appearance.alignment import Aligned, align_patch
from assay_shared.appearance.calibration import Calibration
from assay_shared.appearance.measures import Measures, measure
from assay_shared.appearance.patches import Patch
from assay_shared.appearance.reference import Reference
from assay_shared.appearance.statistics import Statistics

LEAST_COVERED = 0.75
"""Share of the print that must be seen without glare."""


@dataclass(frozen=True)
class Limits:
    """What the genuine photos were like: a photo beyond it cannot be compared with them.

    `density`: photo pixels a frame pixel at least; `softness`: blur of edges outside of the print, frame
    pixels at most; `agreement`: local correlation with the reference at least, under which it shows
    another print.
    """

    density: float
    softness: float
    agreement: float


@dataclass(frozen=True)
class AppearanceModel:
    """A product's reference and statistics; a calibration for each cause and of the least p of all."""

    reference: Reference
    statistics: Statistics
    calibrations: Mapping[str, Calibration]
    joint: Calibration
    limits: Limits

    def judge(self, patch: Patch) -> Judgement:
        """Judges the product in a patch."""
        aligned = align_patch(patch, self.reference.frame)
        if aligned is None or aligned.agreement < self.limits.agreement:
            return Judgement()
        measures = measure(aligned, patch, self.reference)
        scores = self.statistics.score(measures)
        causes = {cause: self.calibrations[cause].p_value(score) for cause, score in scores.items()}
        p = self.joint.p_value(join(causes.values()))
        return Judgement(p, causes, aligned, measures)


@dataclass(frozen=True)
class Judgement:
    """`p`: the chance of a genuine photo to depart as far, None where the photo could not be aligned;
    `causes` the same by cause."""

    p: float | None = None
    causes: Mapping[str, float] | None = None
    aligned: Aligned | None = None
    measures: Measures | None = None


def join(p_values: Iterable[float]) -> float:
    """One score of the p-values of all causes: minus the logarithm of the least, for a fake departs by one
    cause and the others only add their noise."""
    return float(-np.log(min(p_values)))
