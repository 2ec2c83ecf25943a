"""The gate: whether a model version is good enough to go live."""

from __future__ import annotations

from assay_shared.intervals import sign_test
from assay_shared.model_description import LiveComparison, Metrics, ModelDescription
from assay_shared.wire import Gate

ROUNDING = 1e-9
"""So that a drop of exactly what is allowed passes: 0.9 - 0.05 is not 0.85 in binary."""
LEARNT = 0.05
"""mAP50 below which a model has learnt nothing: it finds hardly any annotated box, so more photos alone are
no advice."""
CHANCE = 0.05
"""A version counts as worse than the live one on the pictures that the two read differently when chance alone
would make it so, or worse, less often than this: 5 of 5, 7 of 8, 9 of 11 worse."""


def judge(gate: Gate, description: ModelDescription) -> list[str]:
    """Why this version may not go live; empty when it may.

    Compares figures, and the lower ends of their intervals, with the gate's floors and, when a version was
    live, with that version picture by picture. Each reason names the figure, the bound and what to do. A
    figure that is no number fails; one without interval, of an older trainer, is compared by itself.
    """
    reasons = _judge_floors(gate, description)
    if description.live_comparison is not None:
        reasons += _judge_drops(gate, description, description.live_comparison)
    return reasons


def find_lowest(gate: Gate) -> float:
    """The least lower end of image accuracy's interval that passes; 0 or less when any does."""
    return gate.min_image_accuracy - gate.max_uncertainty


def _judge_floors(gate: Gate, description: ModelDescription) -> list[str]:
    metrics = description.metrics
    figures = [
        ("mAP50", metrics.map50, metrics.map50_low, gate.min_map50),
        ("image accuracy", metrics.image_accuracy, metrics.image_accuracy_low, gate.min_image_accuracy),
    ]
    reasons = []
    for name, value, low, floor in figures:
        if not value >= floor:
            reasons.append(
                f"{name} is {value:.3f} on {metrics.images} held-out pictures, and the gate asks for "
                f"{floor:.3f}: {_advise(description)}"
            )
        elif low is not None and not low >= (lowest := floor - gate.max_uncertainty) - ROUNDING:
            reasons.append(
                f"{name} is {value:.3f} on {_count(metrics)}, too few to be sure: it may be as low as "
                f"{low:.3f} (95 % interval), and the gate asks for {lowest:.3f} there: add more different "
                f"photos{_name_weakest(description)}, or let the gate allow more uncertainty"
            )
    return reasons


def _judge_drops(gate: Gate, description: ModelDescription, live: LiveComparison) -> list[str]:
    metrics = description.metrics
    by_chance = live.map50_change_high is not None and live.map50_change_high >= 0
    counted = live.worse is not None and live.better is not None
    luck = counted and sign_test(live.worse or 0, live.better or 0) > CHANCE
    drops = [
        ("mAP50", metrics.map50, live.metrics.map50, gate.max_map50_drop, by_chance),
        (
            "image accuracy",
            metrics.image_accuracy,
            live.metrics.image_accuracy,
            gate.max_image_accuracy_drop,
            luck,
        ),
    ]
    return [
        f"{name} is {value:.3f}, but the live version {live.version} reaches {before:.3f} on the same "
        f"pictures, and the gate allows a drop of {allowed:.3f}: check the photos added since then"
        f"{_name_weakest(description)}, or allow a larger drop"
        for name, value, before, allowed, may_be_chance in drops
        if not (value >= before - allowed - ROUNDING or may_be_chance)
    ]


def _advise(description: ModelDescription) -> str:
    if description.metrics.map50 < LEARNT:
        return (
            "the model has learnt nothing: look at the samples in its report whether the annotated boxes lie "
            "where they should, and start a run with the default options"
        )
    return f"add more annotated photos{_name_weakest(description)}, or lower the gate"


def _count(metrics: Metrics) -> str:
    groups = metrics.groups
    if groups is None or groups == metrics.images:
        return f"{metrics.images} held-out pictures"
    return f"{metrics.images} held-out pictures, of which {groups} are different"


def _name_weakest(description: ModelDescription) -> str:
    """` of …` with the label that is found worst on the held-out pictures, or nothing."""
    known = {
        label: figures.average_precision50
        for label, figures in description.metrics.per_label.items()
        if figures.average_precision50 is not None
    }
    if not known:
        return ""
    weakest = min(known, key=lambda label: (known[label], label))
    return f", first of all of {weakest!r} (average precision {known[weakest]:.3f})"
