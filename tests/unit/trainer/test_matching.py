"""Matching, average precision, thresholds and intervals, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_shared.detector.overlap import measure_overlap
from assay_trainer.matching import (
    IOU_LEVELS,
    Found,
    average_precision,
    choose_threshold,
    match,
    standard_error,
)

Row = tuple[float, float, float, float]


def make_found(
    boxes: list[Row], confidences: list[float], labels: list[int], true: list[Row], true_labels: list[int]
) -> Found:
    return Found(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(confidences, np.float32),
        np.array(labels, np.int64),
        np.array(true, np.float32).reshape(-1, 4),
        np.array(true_labels, np.int64),
    )


def test_overlap() -> None:
    left = np.array([[0, 0, 10, 10], [0, 0, 0, 0]], np.float32)
    right = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [0, 0, 0, 0]], np.float32)
    expected = np.array([[1, 1 / 3, 0, 0], [0, 0, 0, 0]], np.float32)
    np.testing.assert_allclose(measure_overlap(left, right), expected, rtol=1e-6)


def test_each_true_box_is_found_once_by_the_surest() -> None:
    found = make_found(
        [(0, 0, 10, 10), (0, 0, 10, 9), (50, 50, 60, 60)], [0.6, 0.9, 0.8], [0, 0, 0], [(0, 0, 10, 10)], [0]
    )
    right = match(found)
    assert right[:, 0].tolist() == [False, True, False]
    # At 0.95 the surest overlaps too little (0.9), which leaves the box to the other.
    assert right[:, -1].tolist() == [True, False, False]


def test_another_label_is_no_match() -> None:
    assert not match(make_found([(0, 0, 10, 10)], [0.9], [1], [(0, 0, 10, 10)], [0])).any()


def test_nothing_found_and_nothing_there() -> None:
    assert match(make_found([], [], [], [(0, 0, 1, 1)], [0])).shape == (0, len(IOU_LEVELS))
    assert not match(make_found([(0, 0, 1, 1)], [0.9], [0], [], [])).any()


def test_average_precision_by_hand() -> None:
    right, confidences = np.array([True, False, True]), np.array([0.9, 0.8, 0.7], np.float32)
    # Precision is 1 up to recall 1/2 and 2/3 up to 1: of the 101 recalls 0, .01 … 1, 51 and 50.
    assert average_precision(right, confidences, 2) == pytest.approx((51 + 50 * 2 / 3) / 101)
    # One box in four is never found: recall ends at 1/2.
    assert average_precision(right, confidences, 4) == pytest.approx((26 + 25 * 2 / 3) / 101)
    assert average_precision(right[:0], confidences[:0], 4) == 0


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), max_size=40), st.integers(0, 10))
def test_average_precision_is_a_share_and_falls_with_a_new_false_alarm(
    detections: list[tuple[bool, float]], missed: int
) -> None:
    right = np.array([hit for hit, _ in detections], bool)
    confidences = np.array([confidence for _, confidence in detections], np.float32)
    boxes = int(right.sum()) + missed
    if boxes == 0:
        return
    precision = average_precision(right, confidences, boxes)
    assert 0 <= precision <= 1
    assert (precision == 1) <= (missed == 0)
    alarmed = average_precision(np.append(False, right), np.append(np.float32(1.5), confidences), boxes)
    assert alarmed <= precision


def test_threshold_is_the_middle_of_the_best_range() -> None:
    confidences = np.repeat(np.array([0.9, 0.8, 0.3, 0.2], np.float32), 100)
    right = np.repeat([True, True, False, False], 100)
    # From just above 0.3 up to 0.8 all are kept and no false alarm is.
    assert choose_threshold(right, confidences, 200, 0.05) == pytest.approx(0.55)


def test_one_false_alarm_among_few_boxes_does_not_move_the_threshold() -> None:
    """Seven found, one product taken for another at 0.8: the next genuine one may be found at 0.79."""
    confidences = np.array([0.99, 0.98, 0.97, 0.96, 0.95, 0.93, 0.88, 0.8], np.float32)
    right = np.array([True] * 7 + [False])
    assert choose_threshold(right, confidences, 7, 0.05) < 0.6
    many = 40
    sure = choose_threshold(np.repeat(right, many), np.repeat(confidences, many), 7 * many, 0.05)
    assert 0.8 < sure < 0.9, "forty such are no chance"


def test_threshold_without_evidence() -> None:
    assert choose_threshold(np.zeros(0, bool), np.zeros(0, np.float32), 0, 0.05) == 0.5
    assert choose_threshold(np.zeros(1, bool), np.full(1, 0.9, np.float32), 3, 0.05) == 0.5


def test_threshold_stays_away_from_the_ends() -> None:
    everywhere = choose_threshold(np.ones(3, bool), np.full(3, 0.1, np.float32), 3, 0.05)
    assert everywhere == pytest.approx(0.15)
    confidences = np.array([0.999, 0.99], np.float32)
    assert choose_threshold(np.array([True, False]), confidences, 1, 0.05) <= 0.95


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0625, 1, width=32)), max_size=30), st.integers(0, 5))
def test_threshold_is_as_good_as_can_be_told_within_its_limits(
    detections: list[tuple[bool, float]], missed: int
) -> None:
    right = np.array([hit for hit, _ in detections], bool)
    confidences = np.array([confidence for _, confidence in detections], np.float32)
    boxes = int(right.sum()) + missed
    chosen = choose_threshold(right, confidences, boxes, 0.05)
    assert 0.15 <= chosen <= 0.95
    if not right.any():
        return

    def f1(threshold: float) -> float:
        kept = confidences >= threshold
        return float(2 * right[kept].sum() / (kept.sum() + boxes))

    best = max(f1(float(confidence)) for confidence in confidences)
    if 0.15 < chosen < 0.95:
        assert f1(chosen) >= best - standard_error(best, boxes) - 1e-6
