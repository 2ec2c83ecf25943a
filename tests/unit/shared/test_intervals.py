"""Intervals and the sign test, against numbers worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_shared.intervals import count_needed, share_interval, sign_test, wilson_interval


def test_wilson_interval() -> None:
    # 30 of 32, by Wilson's formula on paper.
    low, high = wilson_interval(30, 32)
    assert low == pytest.approx(0.7985, abs=1e-3)
    assert high == pytest.approx(0.9827, abs=1e-3)
    assert wilson_interval(0, 0) == (0, 1)


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_interval_holds_the_share(hits: int, trials: int) -> None:
    hits = min(hits, trials)
    low, high = wilson_interval(hits, trials)
    assert 0 <= low <= hits / trials + 1e-9
    assert hits / trials - 1e-9 <= high <= 1
    mirrored = wilson_interval(trials - hits, trials)
    assert mirrored[0] == pytest.approx(1 - high, abs=1e-9)
    assert mirrored[1] == pytest.approx(1 - low, abs=1e-9)


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 200))
def test_near_duplicates_widen_the_interval(hits: int, trials: int, groups: int) -> None:
    hits, groups = min(hits, trials), min(groups, trials)
    low, high = share_interval(hits, trials, groups)
    alone = wilson_interval(hits, trials)
    assert low <= alone[0] + 1e-9
    assert high >= alone[1] - 1e-9
    assert share_interval(hits, trials, trials) == pytest.approx(alone)


def test_forty_copies_of_four_pictures_count_as_four() -> None:
    assert share_interval(40, 40, 4) == pytest.approx(wilson_interval(4, 4))
    assert share_interval(0, 0, 0) == (0, 1)


@given(st.floats(-0.5, 0.98))
def test_as_many_trials_as_needed_reach_the_lower_end_and_no_fewer(low: float) -> None:
    needed = count_needed(low)
    assert wilson_interval(needed, needed)[0] >= low - 1e-6
    if needed > 1:
        assert wilson_interval(needed - 1, needed - 1)[0] < low + 1e-6


def test_no_number_of_trials_makes_certain() -> None:
    assert [count_needed(low) for low in (-0.3, 0, 0.5, 0.6, 0.785)] == [1, 1, 4, 6, 15]
    with pytest.raises(ValueError, match="lower end at 1"):
        count_needed(1)


def test_sign_test() -> None:
    assert sign_test(0, 0) == 1
    assert sign_test(5, 0) == pytest.approx(1 / 32)
    # 7 or 8 of 8: 8 + 1 of 256 ways.
    assert sign_test(7, 1) == pytest.approx(9 / 256)
    assert sign_test(0, 9) == 1


@given(st.integers(0, 40), st.integers(0, 40))
def test_sign_test_is_a_chance_that_falls_with_each_that_is_worse(worse: int, better: int) -> None:
    chance = sign_test(worse, better)
    assert 0 < chance <= 1
    assert sign_test(worse + 1, better) <= chance
