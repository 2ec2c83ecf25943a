"""The gate: whether a model version is good enough to go live."""

from __future__ import annotations

from assay_shared.model_description import ModelDescription
from assay_shared.wire import Gate

ROUNDING = 1e-9
"""So that a drop of exactly what is allowed passes: 0.9 - 0.05 is not 0.85 in binary."""


def judge(gate: Gate, description: ModelDescription) -> list[str]:
    """Why this version may not go live; empty when it may.

    Compares with the gate's floors and, when a version was live, with that version on the same held-out
    pictures. Each reason names the figure, the bound and what to do. A figure that is no number fails.
    """
    metrics = description.metrics
    figures = [
        ("mAP50", metrics.map50, gate.min_map50),
        ("image accuracy", metrics.image_accuracy, gate.min_image_accuracy),
    ]
    reasons = [
        f"{name} is {value:.3f} on {metrics.images} held-out pictures, and the gate asks for {floor:.3f}: "
        f"add more annotated photos{_name_weakest(description)}, or lower the gate"
        for name, value, floor in figures
        if not value >= floor
    ]
    live = description.live_comparison
    if live is None:
        return reasons
    drops = [
        ("mAP50", metrics.map50, live.metrics.map50, gate.max_map50_drop),
        (
            "image accuracy",
            metrics.image_accuracy,
            live.metrics.image_accuracy,
            gate.max_image_accuracy_drop,
        ),
    ]
    reasons += [
        f"{name} is {value:.3f}, but the live version {live.version} reaches {before:.3f} on the same "
        f"pictures, and the gate allows a drop of {allowed:.3f}: check the photos added since then"
        f"{_name_weakest(description)}, or allow a larger drop"
        for name, value, before, allowed in drops
        if not value >= before - allowed - ROUNDING
    ]
    return reasons


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
