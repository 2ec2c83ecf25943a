"""A score becomes a p-value against genuine photos."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_shared.appearance.calibration import calibrate

SCORES = st.lists(st.floats(-1e6, 1e6), min_size=8, max_size=120)


@given(SCORES, st.floats(-1e7, 1e7), st.floats(0, 1e6))
def test_a_higher_score_is_never_likelier(scores: list[float], score: float, more: float) -> None:
    calibration = calibrate(np.array(scores))
    assert 0 < calibration.p_value(score + more) <= calibration.p_value(score) + 1e-12 <= 1 + 1e-12


@given(SCORES)
def test_what_is_no_number_is_least_likely(scores: list[float]) -> None:
    calibration = calibrate(np.array(scores))
    assert calibration.p_value(float("inf")) <= calibration.p_value(max(scores))


@pytest.mark.parametrize("count", [20, 62])
def test_the_share_of_genuine_photos_that_are_doubted_is_what_was_asked_for(count: int) -> None:
    rng = np.random.default_rng(count)
    doubted = []
    for _ in range(400):
        scores = rng.exponential(size=count) + rng.normal(size=count)
        new = rng.exponential(size=200) + rng.normal(size=200)
        calibration = calibrate(scores)
        doubted.append(np.mean([calibration.p_value(score) < 0.02 for score in new]))
    assert np.mean(doubted) == pytest.approx(0.02, abs=0.01)


def test_fewer_photos_make_a_heavier_tail() -> None:
    rng = np.random.default_rng(1)
    few, many = (calibrate(np.sort(rng.exponential(size=size))) for size in (20, 400))
    assert few.p_value(12.0) > 3 * many.p_value(12.0)


def test_one_odd_photo_does_not_say_how_far_the_others_may_depart() -> None:
    scores = np.sort(np.random.default_rng(2).exponential(size=62))
    odd = np.append(scores[:-1], 1000.0)
    assert calibrate(odd).p_value(12.0) == pytest.approx(calibrate(scores).p_value(12.0))
    # It still is one photo in sixty-two that departed.
    assert calibrate(odd).p_value(scores[-2]) == pytest.approx(calibrate(scores).p_value(scores[-2]))


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=7))
def test_few_scores_have_a_tail_too(scores: list[float]) -> None:
    calibration = calibrate(np.array(scores))
    assert 0 < calibration.p_value(2e3) <= calibration.p_value(min(scores)) <= 1
