"""The gate: floors, drops against the live version, and reasons that say what to do."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay_registry.gate import judge
from assay_shared.model_description import LabelMetrics, LiveComparison, Metrics, ModelDescription
from assay_shared.wire import Gate

SHARE = st.floats(0, 1)


def metrics(map50: float, accuracy: float) -> Metrics:
    return Metrics(
        map50=map50,
        map50_95=0.5,
        image_accuracy=accuracy,
        image_accuracy_low=0.5,
        image_accuracy_high=1,
        images=32,
        per_label={
            "carton": LabelMetrics(average_precision50=0.9, precision=0.9, recall=0.9, boxes=30),
            "seal": LabelMetrics(average_precision50=0.4, precision=0.5, recall=0.3, boxes=12),
            "dots": LabelMetrics(average_precision50=None, precision=None, recall=None, boxes=0),
        },
    )


def description(reached: Metrics, live: Metrics | None = None) -> ModelDescription:
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
        live_comparison=LiveComparison(version="v1", metrics=live) if live else None,
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


def test_a_figure_that_is_no_number_does_not_pass() -> None:
    reasons = judge(Gate(min_map50=0, min_image_accuracy=0), description(metrics(math.nan, 0.9)))
    assert len(reasons) == 1
    assert reasons[0].startswith("mAP50 is nan")
