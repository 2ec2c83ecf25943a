"""Scores of different causes become comparable, and calibrated scores hold what they promise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assay_shared.appearance.calibration import calibrate
from assay_shared.appearance.standard import fit_standard, join, standardise_without

Doubles = npt.NDArray[np.float64]
SHARE = 0.02
CAUSES = 6


def draw_scores(rng: np.random.Generator, count: int, bend: Doubles, odd: float = 0.0) -> Doubles:
    """Scores (n, CAUSES) as those of genuine photos are: every cause has its own scale and tail, they go up
    and down together, some grow as the product is bent, and a share of photos is odd in one cause."""
    shared = rng.normal(size=(count, 1))
    logs = 0.6 * rng.normal(size=(count, CAUSES)) + 0.5 * shared + 0.3 * bend * np.array([0, 1, 2, 0, 1, 0])
    scores = np.exp(logs) * np.array([0.2, 1, 3, 10, 2, 40])
    where = rng.random(count) < odd
    scores[where, rng.integers(CAUSES, size=int(where.sum()))] *= 8
    return np.asarray(scores)


def fit(rng: np.random.Generator, count: int, odd: float):  # type: ignore[no-untyped-def]
    bend = np.abs(rng.normal(size=(count, 1)))
    standard, without = standardise_without(
        draw_scores(rng, count, bend, odd), bend, [str(i) for i in range(count)]
    )
    return standard, calibrate(join(without))


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float64, (24, 3), elements=st.floats(0, 1e6)),
    arrays(np.float64, (24, 1), elements=st.floats(0, 6)),
    st.integers(0, 2),
    st.floats(0, 1e6),
)
def test_a_photo_that_departs_further_by_a_cause_is_never_likelier(
    scores: Doubles, conditions: Doubles, cause: int, more: float
) -> None:
    standard, without = standardise_without(scores, conditions, [str(i) for i in range(24)])
    calibration = calibrate(join(without))
    farther = scores.copy()
    farther[:, cause] += more
    one, other = (join(standard.standardise(s, conditions)) for s in (scores, farther))
    assert np.isfinite(one).all()
    assert all(
        calibration.p_value(b) <= calibration.p_value(a) + 1e-12 for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("count", [30, 62])
@pytest.mark.parametrize("odd", [0.0, 0.01])
def test_new_genuine_photos_are_doubted_as_often_as_promised(count: int, odd: float) -> None:
    rng = np.random.default_rng(count)
    shares = []
    for _ in range(60):
        standard, calibration = fit(rng, count, odd)
        bend = np.abs(rng.normal(size=(200, 1)))
        new = join(standard.standardise(draw_scores(rng, 200, bend, odd), bend))
        p = np.array([calibration.p_value(score) for score in new])
        shares.append([(p < SHARE).mean(), (p < 0.05).mean(), (p < 0.5).mean()])
    doubted, suspected, half = np.mean(shares, 0)
    assert SHARE / 4 < doubted <= SHARE + 0.01
    assert suspected == pytest.approx(0.05, abs=0.02)
    assert half == pytest.approx(0.5, abs=0.06)


def test_what_pose_explains_is_not_held_against_a_photo() -> None:
    rng = np.random.default_rng(5)
    bend = np.abs(rng.normal(size=(62, 1)))
    scores = np.exp(0.2 * rng.normal(size=(62, 2)) + bend * np.array([1.0, 0.0]))
    standard = fit_standard(scores, bend)
    much, little = np.array([[2.2]]), np.array([[0.1]])
    high = np.array([[9.0, 1.0]])
    assert standard.standardise(high, much)[0, 0] < 2 < standard.standardise(high, little)[0, 0]
    # Beyond what the photos have shown, more bend explains no more.
    assert standard.standardise(high, much * 50)[0, 0] == standard.standardise(high, much * 100)[0, 0]


def test_the_scale_of_a_cause_is_its_own() -> None:
    rng = np.random.default_rng(6)
    scores, none = rng.exponential(size=(62, 2)), np.zeros((62, 1))
    scores[:, 1] *= 50
    standardised = fit_standard(scores, none).standardise(scores, none)
    assert np.median(standardised, 0) == pytest.approx(0, abs=1e-9)
    assert standardised.max(0) == pytest.approx(standardised.max(), rel=0.5)


def test_near_duplicates_are_left_out_together() -> None:
    rng = np.random.default_rng(7)
    scores, none = rng.exponential(size=(40, 2)), np.zeros((40, 1))
    scores[:3] *= 30
    alone = standardise_without(scores, none, [str(i) for i in range(40)])[1]
    together = standardise_without(scores, none, [str(max(i, 2)) for i in range(40)])[1]
    assert (together[:3].max(1) > alone[:3].max(1)).all()
