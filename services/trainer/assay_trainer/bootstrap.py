"""Intervals of average precision: the held-out pictures drawn anew, many times (Efron 1979, Annals of
Statistics 7:1).

Groups of near-duplicates are drawn, not pictures, for those of one group are nearly one observation. Where a
model is perfect every draw is, however few there are: that the pictures are few shows in the interval of
image accuracy, which is Wilson's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from assay_trainer.matching import RECALLS

DRAWS = 1000
SEED = 1
Numbers = npt.NDArray[np.float64]


def draw_groups(groups: Sequence[str]) -> Numbers:
    """How often each picture counts in each draw: (DRAWS, pictures). The same groups, the same draws, so that
    two models on the same pictures can be compared draw by draw."""
    names, place = np.unique(np.array(groups, str), return_inverse=True)
    counts = np.random.default_rng(SEED).multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS)
    weights: Numbers = counts[:, place].astype(np.float64)
    return weights


def average_precisions(
    right: npt.NDArray[np.bool_],
    confidences: npt.NDArray[np.float32],
    weights: Numbers,
    boxes: Numbers,
) -> Numbers:
    """The average precision of one label in every draw: (draws, levels), NaN where a draw has no box.

    `right` (N, levels) of its N detections, `weights` (draws, N) how often each detection's picture counts,
    `boxes` (draws,) how many true boxes count. With weights of one it is `matching.average_precision`.
    """
    order = np.argsort(-confidences, kind="stable")
    counted = weights[:, order]
    kept = np.cumsum(counted, 1)
    result = np.full((len(weights), right.shape[1]), np.nan)
    some = boxes > 0
    for level in range(right.shape[1]):
        hits = np.cumsum(counted * right[order, level], 1)
        precision = np.divide(hits, kept, out=np.zeros_like(hits), where=kept > 0)
        envelope = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
        padded = np.concatenate((envelope, np.zeros((len(weights), 1))), 1)
        for draw in np.flatnonzero(some):
            places = np.searchsorted(hits[draw] / boxes[draw], RECALLS, side="left")
            result[draw, level] = padded[draw, places].mean()
    return result


def find_interval(draws: Numbers) -> tuple[float, float]:
    """The 95 % interval of a figure from its draws (percentiles 2.5 and 97.5), but for those without it; 0 to
    1 when there is none."""
    known = draws[~np.isnan(draws)]
    if not len(known):
        return 0.0, 1.0
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)
