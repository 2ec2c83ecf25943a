"""From a score to a p-value against genuine photos, honest about how few they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assay_shared.appearance.patches import Doubles

TAIL = 0.2
"""Share of the genuine scores that the tail's model is fitted to."""
LEAST_TAIL = 6
CENSORED = 1
"""Greatest genuine scores of which no more is used than that they are as great as the next: one odd photo
would otherwise say how far all others may depart."""


@dataclass(frozen=True)
class Calibration:
    """Genuine scores, sorted (n,), and the tail beyond `edge`: an exponential of mean excess `scale`, known
    from `count` scores; `beyond` scores lie above the edge."""

    scores: Doubles
    edge: float
    scale: float
    count: int
    beyond: int

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
        share = (1 + self.beyond) / (1 + len(self.scores))
        if not np.isfinite(score):
            return 1e-9
        excess = (score - self.edge) / (self.count * self.scale)
        return float(max(1e-9, share * (1 + excess) ** -self.count))


def calibrate(scores: Doubles) -> Calibration:
    """The calibration of genuine scores (n,), each of a photo that nothing behind the score has seen.

    The greatest CENSORED excesses count as no greater than the next one, and the mean is theirs by the number
    of those that are known (the likelihood of a sample whose end is censored; Epstein and Sobel 1953): for an
    exponential the predictive tail stays exact, and odd photos do not stretch it.
    """
    ordered = np.sort(np.asarray(scores, np.float64))
    beyond = min(len(ordered) - 1, max(LEAST_TAIL, round(TAIL * len(ordered))))
    edge = float(ordered[-beyond - 1])
    count = max(1, beyond - CENSORED)
    excesses = np.minimum(ordered[-beyond:], ordered[-beyond + count - 1 if count < beyond else -1]) - edge
    return Calibration(ordered, edge, float(max(excesses.sum() / count, 1e-6)), count, beyond)
