"""Whether live p-values still look like those of pictures that the model was calibrated on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_VALUES = 50
"""With fewer p-values nothing is said."""
UNLIKELY = 0.01
"""Below this p of the test the brand is warned."""
TERMS = 100
"""Of the series below; it has converged long before."""


@dataclass(frozen=True)
class Uniformity:
    """A Kolmogorov-Smirnov test: the largest `distance` (0 to 1) between the distribution of the values and
    the uniform one, and the chance `p` of that or more were they uniform."""

    distance: float
    p: float


def measure_uniformity(values: Sequence[float]) -> Uniformity:
    """Tests p-values of the check `appearance` against the uniform distribution on 0 to 1.

    What it assumes: most products shown are genuine. Of a genuine product in pictures like those of the
    calibration, p is uniform; counterfeits, known ones left out by the caller, press it towards 0, and so
    many of them look like drift as well: either way somebody should look. Independent values are assumed
    too: one person who photographs one package ten times counts ten times.

    The distribution of the distance is Kolmogorov's with Stephens' correction for few values (Stephens, "Use
    of the Kolmogorov-Smirnov, Cramér-von Mises and related statistics without extensive tables", 1970).
    Raises ValueError for no values.
    """
    ordered, count = sorted(values), len(values)
    if not count:
        raise ValueError("there are no values to test")
    distance = max(
        max((place + 1) / count - value, value - place / count) for place, value in enumerate(ordered)
    )
    root = math.sqrt(count)
    return Uniformity(distance, _survive((root + 0.12 + 0.11 / root) * distance))


def _survive(scaled: float) -> float:
    """Kolmogorov's Q: 2 times the sum over k of (-1)^(k-1) exp(-2 k^2 x^2)."""
    if scaled < 0.2:
        # It is 1 to twelve digits there, and the series converges slowly.
        return 1.0
    terms = ((-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, TERMS + 1))
    return min(1.0, max(0.0, 2 * math.fsum(terms)))
