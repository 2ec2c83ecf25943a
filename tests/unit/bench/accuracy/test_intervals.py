"""Areas, shares and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.accuracy.intervals import measure_area, measure_share, newcombe_interval

scores = st.lists(st.integers(0, 8).map(float), min_size=1, max_size=12)


@given(genuine=scores, fakes=scores)
def test_an_area_is_the_share_of_pairs_in_order(genuine: list[float], fakes: list[float]) -> None:
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in genuine for b in fakes]
    found = measure_area([(genuine, fakes)])
    assert found is not None
    assert found.value == pytest.approx(np.mean(pairs))
    assert found.low - 1e-9 <= found.value <= found.high + 1e-9
    assert found.count == min(len(genuine), len(fakes))


def test_only_pairs_of_one_brand_count() -> None:
    # Scores of the second brand lie lower altogether, which says nothing of its fakes.
    found = measure_area([([0.9, 0.8], [0.7]), ([0.3, 0.2], [0.1]), ([], [0.5])])
    assert found is not None
    assert found.value == 1.0
    assert measure_area([([], [0.5]), ([0.5], [])]) is None


@pytest.mark.parametrize("area", [0.5, 0.8, 0.95, 1.0])
def test_newcombes_interval_is_that_of_the_areas_that_are_likely(area: float) -> None:
    genuine, fakes = 32, 8
    low, high = newcombe_interval(area, genuine, fakes)

    def deviates(one: float) -> float:
        terms = (1 - one) / (2 - one) + one / (1 + one)
        variance = one * (1 - one) * (1 + ((genuine + fakes) / 2 - 1) * terms) / (genuine * fakes)
        return abs(one - area) / float(np.sqrt(variance))

    assert deviates(low) == pytest.approx(1.96, abs=1e-3)
    assert (high == 1.0) if area == 1 else deviates(high) == pytest.approx(1.96, abs=1e-3)


def test_brands_that_differ_widen_the_interval() -> None:
    alike = measure_share([[True] * 5 + [False] * 5] * 10)
    unlike = measure_share([[True] * 10] * 5 + [[False] * 10] * 5)
    assert alike is not None
    assert unlike is not None
    assert alike.value == unlike.value == 0.5
    assert unlike.high - unlike.low > 1.5 * (alike.high - alike.low)
    assert measure_share([[], []]) is None


def test_a_share_of_all_is_not_certain() -> None:
    found = measure_share([[True] * 20, [True] * 20])
    assert found is not None
    assert found.value == found.high == 1.0
    assert 0.9 < found.low < 0.93
