"""From a score to a p-value against genuine photos, honest about how few they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assay_shared.appearance.patches import Doubles

TAIL = 0.2
"""Share of the genuine scores that the tail's model is fitted to."""
LEAST_TAIL = 6


@dataclass(frozen=True)
class Calibration:
    """Genuine scores, sorted (n,), and the tail beyond `edge`: an exponential of mean excess `scale`, fitted
    to `count` scores."""

    scores: Doubles
    edge: float
    scale: float
    count: int

    def p_value(self, score: float) -> float:
        """The chance of a genuine photo to score as high or higher.

        Inside: the rank among the genuine scores, (1 + those as high) / (1 + n). Beyond the edge: the
        predictive tail of an exponential whose mean is known from `count` excesses only,
        (1 + x / (count * scale)) ** -count (the ratio of two gammas): fewer photos, a heavier tail.
        """
        n = len(self.scores)
        if not np.isfinite(score):
            return self.tail(np.inf)
        if score <= self.edge:
            return float((1 + (self.scores >= score).sum()) / (1 + n))
        return self.tail(score)

    def tail(self, score: float) -> float:
        """The p-value of a score beyond the edge."""
        share = (1 + self.count) / (1 + len(self.scores))
        if not np.isfinite(score):
            return 1e-9
        excess = (score - self.edge) / (self.count * self.scale)
        return float(max(1e-9, share * (1 + excess) ** -self.count))


def calibrate(scores: Doubles) -> Calibration:
    """The calibration of genuine scores (n,), each of a photo that nothing behind the score has seen."""
    ordered = np.sort(np.asarray(scores, np.float64))
    count = min(len(ordered) - 1, max(LEAST_TAIL, round(TAIL * len(ordered))))
    edge = float(ordered[-count - 1])
    scale = float(max((ordered[-count:] - edge).mean(), 1e-6))
    return Calibration(ordered, edge, scale, count)
