"""The bootstrap of average precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay_trainer.bootstrap import DRAWS, average_precisions, draw_groups, find_interval
from assay_trainer.matching import average_precision

DETECTIONS = st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), max_size=30)


@given(DETECTIONS, st.integers(1, 6))
@settings(deadline=None)
def test_a_draw_of_everything_once_is_average_precision(
    detections: list[tuple[bool, float]], missed: int
) -> None:
    right = np.array([hit for hit, _ in detections], bool)
    confidences = np.array([confidence for _, confidence in detections], np.float32)
    boxes = int(right.sum()) + missed
    once = np.ones((1, len(right)))
    (drawn,) = average_precisions(right[:, None], confidences, once, np.array([float(boxes)]))
    assert drawn[0] == pytest.approx(average_precision(right, confidences, boxes))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=12), st.integers(0, 4))
@settings(deadline=None)
def test_a_draw_counts_pictures_as_often_as_they_are_drawn(
    detections: list[tuple[bool, int]], missed: int
) -> None:
    right = np.array([hit for hit, _ in detections], bool)
    weights = np.array([weight for _, weight in detections], np.float64)
    confidences = np.linspace(0.9, 0.1, len(right)).astype(np.float32)
    boxes = float(weights[right].sum() + missed)
    (drawn,) = average_precisions(right[:, None], confidences, weights[None], np.array([boxes]))
    if boxes == 0:
        assert np.isnan(drawn[0])
        return
    copies = np.repeat(np.arange(len(right)), weights.astype(int))
    assert drawn[0] == pytest.approx(average_precision(right[copies], confidences[copies], int(boxes)))


def test_groups_are_drawn_whole_and_always_alike() -> None:
    weights = draw_groups(["a", "a", "b", "c"])
    assert weights.shape == (DRAWS, 4)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 1:].sum(1) == 3).all()
    assert weights.mean(0) == pytest.approx(np.ones(4), abs=0.15)
    assert (draw_groups(["a", "a", "b", "c"]) == weights).all()


def test_interval() -> None:
    assert find_interval(np.linspace(0, 1, 1001)) == pytest.approx((0.025, 0.975))
    assert find_interval(np.array([np.nan, 0.5, 0.5])) == (0.5, 0.5)
    assert find_interval(np.array([np.nan])) == (0, 1)


@pytest.mark.parametrize("share", [0.6, 0.8])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(share: float) -> None:
    """Each picture's one box is found with this chance, and there are no false alarms: then average precision
    is close to the share found."""
    rng = np.random.default_rng(5)
    held, trials, pictures = 0, 120, 40
    weights = draw_groups([str(number) for number in range(pictures)])
    for _ in range(trials):
        found = rng.random(pictures) < share
        confidences = rng.random(int(found.sum())).astype(np.float32)
        draws = average_precisions(
            np.ones((int(found.sum()), 1), bool), confidences, weights[:, found], np.full(DRAWS, 40.0)
        )
        low, high = find_interval(draws[:, 0])
        held += low - 0.01 <= share <= high + 0.01
    assert held / trials > 0.87
