"""The curves of a training run as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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


def _draw(values: Sequence[tuple[int, float]], top: float, last_epoch: int) -> str:
    return " ".join(
        f"{WIDTH * epoch / max(last_epoch, 1):.1f},{HEIGHT * (1 - min(value / top, 1)):.1f}"
        for epoch, value in values
    )
