"""The gate: floors, drops against the live version, and reasons that say what to do."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay_registry.gate import find_lowest, judge
from assay_shared.intervals import wilson_interval
from assay_shared.model_description import LabelMetrics, LiveComparison, Metrics, ModelDescription
from assay_shared.wire import Gate

SHARE = st.floats(0, 1)


def metrics(
    map50: float, accuracy: float, *, map50_low: float | None = None, accuracy_low: float | None = None
) -> Metrics:
    """Figures whose intervals are narrow unless said."""
    return Metrics(
        map50=map50,
        map50_low=map50_low,
        map50_high=1,
        map50_95=0.5,
        image_accuracy=accuracy,
        image_accuracy_low=accuracy if accuracy_low is None else accuracy_low,
        image_accuracy_high=1,
        images=32,
        per_label={
            "carton": LabelMetrics(average_precision50=0.9, precision=0.9, recall=0.9, boxes=30),
            "seal": LabelMetrics(average_precision50=0.4, precision=0.5, recall=0.3, boxes=12),
            "dots": LabelMetrics(average_precision50=None, precision=None, recall=None, boxes=0),
        },
    )


def description(reached: Metrics, live: Metrics | None = None, **compared: Any) -> ModelDescription:
    return ModelDescription(
        brand="acme",
        version="v2",
        run="run_2",
        dataset_version="data_2",
        architecture="yolov5nu",
        image_size=640,
        labels=[],
        required_marks={},
        metrics=reached,
        live_comparison=LiveComparison(version="v1", metrics=live, **compared) if live else None,
        base_weights={},
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        files={},
    )


@given(SHARE, SHARE, SHARE, SHARE)
@settings(deadline=None)
def test_without_a_live_version_the_floors_decide(
    map50: float, accuracy: float, min_map50: float, min_accuracy: float
) -> None:
    gate = Gate(min_map50=min_map50, min_image_accuracy=min_accuracy)
    reasons = judge(gate, description(metrics(map50, accuracy)))
    assert len(reasons) == (map50 < min_map50) + (accuracy < min_accuracy)


@given(SHARE, SHARE, SHARE, SHARE)
@settings(deadline=None)
def test_a_version_as_good_as_the_live_one_passes_whatever_the_drop(
    map50: float, accuracy: float, drop: float, accuracy_drop: float
) -> None:
    gate = Gate(min_map50=0, min_image_accuracy=0, max_map50_drop=drop, max_image_accuracy_drop=accuracy_drop)
    assert judge(gate, description(metrics(map50, accuracy), metrics(map50, accuracy))) == []


@pytest.mark.parametrize(
    ("before", "allowed", "passes"), [(0.9, 0.05, True), (0.91, 0.05, False), (0.85, 0, True)]
)
def test_a_drop_may_be_as_large_as_allowed_and_no_larger(before: float, allowed: float, passes: bool) -> None:
    gate = Gate(max_map50_drop=allowed, max_image_accuracy_drop=allowed)
    reasons = judge(gate, description(metrics(0.85, 0.85), metrics(before, before)))
    assert len(reasons) == (0 if passes else 2)


def test_a_reason_names_the_figure_the_bound_and_what_to_do() -> None:
    reasons = judge(Gate(min_map50=0.8), description(metrics(0.612, 0.9), metrics(0.7, 0.9)))
    floor, drop = reasons
    assert "mAP50 is 0.612 on 32 held-out pictures" in floor
    assert "0.800" in floor
    assert "add more annotated photos, first of all of 'seal' (average precision 0.400)" in floor
    assert "live version v1 reaches 0.700" in drop
    assert "a drop of 0.030" in drop


def test_more_photos_are_no_advice_for_a_model_that_has_learnt_nothing() -> None:
    nothing = description(metrics(0.004, 0.1))
    reasons = judge(Gate(), nothing)
    assert len(reasons) == 2
    assert all("has learnt nothing: look at the samples in its report" in reason for reason in reasons)
    assert not any("add more" in reason for reason in reasons)


def test_a_figure_that_is_no_number_does_not_pass() -> None:
    reasons = judge(Gate(min_map50=0, min_image_accuracy=0), description(metrics(math.nan, 0.9)))
    assert len(reasons) == 1
    assert reasons[0].startswith("mAP50 is nan")


def read_rightly(hits: int, pictures: int) -> ModelDescription:
    low, _ = wilson_interval(hits, pictures)
    return description(metrics(0.95, hits / pictures, map50_low=0.9, accuracy_low=low))


@pytest.mark.parametrize(
    ("hits", "pictures", "passes"),
    [
        (4, 4, True),
        (3, 3, False),  # all right, but of too few
        (6, 6, True),
        (5, 6, False),
        (14, 14, True),
        (12, 14, True),
        (11, 14, False),  # .786, below the floor
        (10, 12, True),
        (9, 11, True),
        (5, 5, True),
        (4, 5, False),
    ],
)
def test_few_pictures_do_if_all_are_right(hits: int, pictures: int, passes: bool) -> None:
    assert (judge(Gate(), read_rightly(hits, pictures)) == []) == passes


@given(st.integers(1, 200), st.integers(1, 200))
@settings(deadline=None)
def test_no_model_passes_that_may_be_right_every_other_time(hits: int, pictures: int) -> None:
    hits = min(hits, pictures)
    if judge(Gate(), read_rightly(hits, pictures)) == []:
        assert wilson_interval(hits, pictures)[0] >= 0.5 - 1e-9
        assert hits / pictures >= 0.8


def test_a_wide_interval_is_told_with_its_end_and_what_to_do() -> None:
    few = read_rightly(3, 3)
    (reason,) = judge(Gate(), few)
    assert "image accuracy is 1.000 on 32 held-out pictures, too few to be sure" in reason
    assert "as low as 0.438" in reason
    assert "the gate asks for 0.500" in reason
    repeated = few.model_copy(update={"metrics": few.metrics.model_copy(update={"groups": 3})})
    assert "32 held-out pictures, of which 3 are different" in judge(Gate(), repeated)[0]
    assert judge(Gate(max_uncertainty=0.4), few) == []
    unsure = description(metrics(0.9, 0.9, map50_low=0.45))
    assert judge(Gate(), unsure)[0].startswith("mAP50 is 0.900")


def test_a_gate_that_lets_anything_pass_still_does() -> None:
    nothing = metrics(0, 0, map50_low=0, accuracy_low=0)
    gate = Gate(min_map50=0, min_image_accuracy=0)
    assert judge(gate, description(nothing)) == []
    assert find_lowest(gate) < 0


def test_a_version_of_an_older_trainer_has_no_interval_of_map50_and_is_judged_without() -> None:
    assert judge(Gate(), description(metrics(0.85, 0.85, map50_low=None))) == []


@pytest.mark.parametrize(
    ("better", "worse", "passes"),
    [(0, 1, True), (0, 4, True), (0, 5, False), (1, 6, True), (1, 7, False), (5, 8, True)],
)
def test_worse_than_the_live_version_counts_when_it_is_beyond_chance(
    better: int, worse: int, passes: bool
) -> None:
    reached, before = metrics(0.9, 0.85), metrics(0.9, 0.99)
    reasons = judge(Gate(), description(reached, before, better=better, worse=worse))
    assert (reasons == []) == passes
    allowed = Gate(max_image_accuracy_drop=0.2)
    assert judge(allowed, description(reached, before, better=better, worse=worse)) == []


@pytest.mark.parametrize(("high", "passes"), [(0.01, True), (-0.001, False), (math.nan, False)])
def test_a_drop_of_map50_counts_when_its_interval_lies_below_zero(high: float, passes: bool) -> None:
    compared = description(
        metrics(0.85, 0.9), metrics(0.95, 0.9), map50_change_low=-0.2, map50_change_high=high
    )
    assert (judge(Gate(), compared) == []) == passes
