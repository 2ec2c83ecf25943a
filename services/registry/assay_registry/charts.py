"""The curves of a training run, and the figures of verifications, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay_shared.wire import DayFigures

WIDTH, HEIGHT = 320.0, 120.0


@dataclass(frozen=True)
class Curve:
    """One line: its name, its SVG points, and its last value."""

    name: str
    points: str
    last: float


def draw_curves(history: Sequence[dict[str, Any]]) -> list[Curve]:
    """The curves of a history of wire.Progress dicts: the sum of the losses, and mAP50.

    Points lie in a box of WIDTH x HEIGHT; x is the epoch. The loss is scaled to its own maximum, mAP50 to 1.
    """
    loss = [(entry["epoch"], sum(entry["losses"].values())) for entry in history if entry.get("losses")]
    map50 = [(entry["epoch"], entry["map50"]) for entry in history if entry.get("map50") is not None]
    highest = max((value for _, value in loss), default=1.0) or 1.0
    last_epoch = max((entry["epoch"] for entry in history), default=1)
    curves = [("loss", loss, highest), ("mAP50", map50, 1.0)]
    return [
        Curve(name, _draw(values, top, last_epoch), values[-1][1]) for name, values, top in curves if values
    ]


@dataclass(frozen=True)
class Bar:
    """A bar of a chart of WIDTH x HEIGHT: its left upper corner and size, and what it says."""

    x: float
    y: float
    width: float
    height: float
    title: str


def draw_shares(days: Sequence[DayFigures]) -> list[Bar]:
    """The share of doubted verifications of each day, 0 to 1; days stand where they lie in time."""
    if not days:
        return []
    first, last = days[0].day, days[-1].day
    step = WIDTH / ((last - first).days + 1)
    return [
        _make_bar(
            (day.day - first).days * step,
            step,
            day.doubted / day.verifications,
            f"{day.day}: {day.doubted} of {day.verifications} doubted, {day.inconclusive} inconclusive",
        )
        for day in days
    ]


def draw_counts(p_values: Sequence[int]) -> list[Bar]:
    """How many p-values lie in each tenth, against the fullest."""
    if not any(p_values):
        return []
    step, most = WIDTH / len(p_values), max(p_values)
    return [
        _make_bar(
            place * step, step, count / most, f"{count} between {place / 10:.1f} and {(place + 1) / 10:.1f}"
        )
        for place, count in enumerate(p_values)
    ]


def _make_bar(x: float, step: float, share: float, title: str) -> Bar:
    return Bar(
        round(x, 1), round(HEIGHT * (1 - share), 1), round(0.9 * step, 1), round(HEIGHT * share, 1), title
    )


def _draw(values: Sequence[tuple[int, float]], top: float, last_epoch: int) -> str:
    return " ".join(
        f"{WIDTH * epoch / max(last_epoch, 1):.1f},{HEIGHT * (1 - min(value / top, 1)):.1f}"
        for epoch, value in values
    )
