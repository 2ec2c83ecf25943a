"""What is known of one product's appearance, and the judgement of a photo by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from assay_shared.appearance.alignment import Aligned, align_patch
from assay_shared.appearance.measures import Measures, measure
from assay_shared.appearance.patches import Doubles, Patch
from assay_shared.appearance.reference import Reference
from assay_shared.appearance.significance import Significance
from assay_shared.appearance.statistics import Statistics

LEAST_COVERED = 0.8
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
    """A product's reference and statistics; what scores mean; what genuine photos were like."""

    reference: Reference
    statistics: Statistics
    significance: Significance
    limits: Limits

    def judge(self, patch: Patch) -> Judgement:
        """Judges the product in a patch."""
        found = compare(patch, self.reference, self.limits)
        if found is None:
            return Judgement()
        aligned, measures = found
        scores = self.statistics.score(measures)
        p, causes = self.significance.find_p_values(scores, find_conditions(measures))
        return Judgement(p, causes, aligned, measures)


@dataclass(frozen=True)
class Judgement:
    """`p`: the chance of a genuine photo to depart as far, None where the photo could not be aligned;
    `causes` the same by cause."""

    p: float | None = None
    causes: Mapping[str, float] | None = None
    aligned: Aligned | None = None
    measures: Measures | None = None


def compare(patch: Patch, reference: Reference, limits: Limits) -> tuple[Aligned, Measures] | None:
    """A product aligned and measured; None where it could not be aligned or shows another print."""
    aligned = align_patch(patch, reference.frame)
    if aligned is None or aligned.agreement < limits.agreement:
        return None
    return aligned, measure(aligned, patch, reference)


def find_conditions(measures: Measures) -> Doubles:
    """What of a photo, and not of the print, makes its scores differ (2,): how far pose bends the product,
    and the contrast of its light."""
    return np.array([measures.bend, measures.contrast])
