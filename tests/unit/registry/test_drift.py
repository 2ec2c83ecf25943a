"""The test of uniformity, against published critical values and against simulation."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_registry.drift import UNLIKELY, measure_uniformity


@pytest.mark.parametrize(
    ("count", "distance", "p"),
    [
        # Critical values of D (Miller, "Table of percentage points of Kolmogorov statistics", 1956).
        (20, 0.29408, 0.05),
        (20, 0.35241, 0.01),
        (35, 0.22425, 0.05),
        (35, 0.26897, 0.01),
    ],
)
def test_critical_values(count: int, distance: float, p: float) -> None:
    # An even comb, all of it so far to the right that its distance is the wanted one.
    values = [min(1.0, place / count + distance) for place in range(count)]
    found = measure_uniformity(values)
    assert found.distance == pytest.approx(distance)
    assert found.p == pytest.approx(p, rel=0.02)


def test_uniform_values_are_called_drifted_as_often_as_promised() -> None:
    chance = random.Random(1)
    alarms = sum(measure_uniformity([chance.random() for _ in range(50)]).p < UNLIKELY for _ in range(2_000))
    # 20 expected; 5 standard deviations.
    assert alarms <= 42
    assert alarms >= 3


def test_shifted_values_are_seen() -> None:
    chance = random.Random(2)
    shifted = [chance.random() ** 2 for _ in range(100)]
    assert measure_uniformity(shifted).p < UNLIKELY
    assert measure_uniformity([1 - p for p in shifted]).p < UNLIKELY


def test_an_even_comb_is_as_uniform_as_can_be() -> None:
    found = measure_uniformity([(place + 0.5) / 80 for place in range(80)])
    assert found.distance == pytest.approx(1 / 160)
    assert found.p == 1.0


def test_nothing_cannot_be_tested() -> None:
    with pytest.raises(ValueError, match="no values"):
        measure_uniformity([])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300))
def test_distance_and_p_are_shares_whatever_comes(values: list[float]) -> None:
    found = measure_uniformity(values)
    assert 0 < found.distance <= 1
    assert 0 <= found.p <= 1
    mirrored = measure_uniformity([1 - value for value in values])
    assert mirrored.distance == pytest.approx(found.distance)
