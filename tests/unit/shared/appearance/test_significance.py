"""Calibrated scores hold what they promise, cause by cause and joined."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assay_shared.appearance.significance import Significance, fit_significance

Doubles = npt.NDArray[np.float64]
SHARE = 0.02
CAUSES = {"ink": 0.0, "fineness": 0.0, "proportions": 0.0, "print": 0.3, "loss": 0.0, "shift": 0.0}


def draw_scores(rng: np.random.Generator, count: int, bend: Doubles, odd: float = 0.0) -> Doubles:
    """Scores (n, causes) as those of genuine photos are: every cause has its own scale and tail, they go up
    and down together, some grow as the product is bent, and a share of photos is odd in one cause."""
    shared = rng.normal(size=(count, 1))
    own = rng.normal(size=(count, len(CAUSES)))
    logs = 0.6 * own + 0.5 * shared + 0.3 * bend * np.array([0, 1, 2, 0, 1, 0])
    scores = np.exp(logs) * np.array([0.2, 1, 3, 10, 2, 40])
    where = rng.random(count) < odd
    scores[where, rng.integers(len(CAUSES), size=int(where.sum()))] *= 8
    return np.asarray(scores)


def judge(significance: Significance, scores: Doubles, bend: Doubles) -> Doubles:
    """The p-values (n,) of photos."""
    pairs = zip(scores, bend, strict=True)
    return np.array([significance.find_p_values(dict(zip(CAUSES, s, strict=True)), b)[0] for s, b in pairs])


def fit(rng: np.random.Generator, count: int, odd: float) -> Significance:
    bend = np.abs(rng.normal(size=(count, 1)))
    groups = [str(place) for place in range(count)]
    return fit_significance(draw_scores(rng, count, bend, odd), bend, CAUSES, groups)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float64, (24, 6), elements=st.floats(0, 1e6)),
    arrays(np.float64, (24, 1), elements=st.floats(0, 6)),
    st.integers(0, 5),
    st.floats(0, 1e6),
)
def test_a_photo_that_departs_further_by_a_cause_is_never_likelier(
    scores: Doubles, conditions: Doubles, cause: int, more: float
) -> None:
    significance = fit_significance(scores, conditions, CAUSES, [str(i) for i in range(24)])
    farther = scores.copy()
    farther[:, cause] += more
    one, other = (judge(significance, rows, conditions) for rows in (scores, farther))
    assert ((one > 0) & (one <= 1)).all()
    assert (other <= one + 1e-12).all()


@pytest.mark.parametrize("count", [30, 62])
@pytest.mark.parametrize("odd", [0.0, 0.01])
def test_new_genuine_photos_are_doubted_as_often_as_promised(count: int, odd: float) -> None:
    rng = np.random.default_rng(count)
    shares = []
    for _ in range(60):
        significance = fit(rng, count, odd)
        bend = np.abs(rng.normal(size=(200, 1)))
        p = judge(significance, draw_scores(rng, 200, bend, odd), bend)
        shares.append([(p < SHARE).mean(), (p < 0.05).mean(), (p < 0.5).mean()])
    doubted, suspected, half = np.mean(shares, 0)
    assert SHARE / 4 < doubted <= SHARE + 0.01
    assert suspected == pytest.approx(0.05, abs=0.02)
    assert half == pytest.approx(0.5, abs=0.06)


def test_a_cause_that_is_ahead_is_doubted_sooner() -> None:
    rng = np.random.default_rng(8)
    bend, groups = np.abs(rng.normal(size=(62, 1))), [str(place) for place in range(62)]
    scores = draw_scores(rng, 62, bend)
    far = np.array([[0.2, 1, 3, 60, 2, 40]])
    none = np.zeros((1, 1))
    level = fit_significance(scores, bend, dict.fromkeys(CAUSES, 0.0), groups)
    ahead = fit_significance(scores, bend, CAUSES, groups)
    assert judge(ahead, far, none) < judge(level, far, none)
