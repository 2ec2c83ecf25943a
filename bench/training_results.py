"""What the comparison of trainings measures, and its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from pydantic import BaseModel

from bench.training_choices import BASE, PEER


class Figures(BaseModel):
    """Of one model: on the test pictures, and on the held-out ones."""

    map50: float
    map50_95: float
    image_accuracy: float
    product_recall: float
    held_out_map50: float
    held_out_map50_95: float


class Point(BaseModel):
    """After an epoch: seconds since the start, seconds of computing (user and system, of all cores), and
    mAP50 on the held-out pictures as ultralytics measures it."""

    seconds: float
    cpu_seconds: float
    map50: float


class Result(BaseModel):
    """Of one brand by one choice: figures of the last epoch, and of the one that is best on the held-out
    pictures. `settings` is all that the result depends on."""

    choice: str
    settings: dict[str, Any]
    last: Figures
    best: Figures
    seconds: float
    cpu_seconds: float
    curve: list[Point]


Results = Mapping[str, Sequence[Result | None]]
"""By choice, a result for each brand, in one order of brands; None for what is not measured yet."""


def find_goal(base: Result) -> float:
    """The mAP50 on the held-out pictures that others must reach: what the base ends with."""
    return base.curve[-1].map50


def find_par(result: Result, goal: float) -> Point | None:
    """When a training is as good as the base becomes; None: never."""
    return next((point for point in result.curve if point.map50 >= goal), None)


def tabulate(results: Results) -> str:
    """The table of the choices and that of the kept epoch, in Markdown; of what is measured so far."""
    return "\n\n".join([_tabulate_choices(results), _tabulate_epochs(results)])


def _tabulate_choices(results: Results) -> str:
    lines = [
        "| choice | brands | mAP50 | mAP50-95 | against the base (least to most) | pictures read right "
        "| CPU-seconds | seconds | CPU-seconds to par | seconds to par |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, of_brands in results.items():
        pairs = [
            (result, base) for result, base in zip(of_brands, results[BASE], strict=True) if result and base
        ]
        if not pairs:
            continue
        found = [result for result, _ in pairs]
        changes = [result.last.map50_95 - base.last.map50_95 for result, base in pairs]
        change = f"{mean(changes):+.3f} ({min(changes):+.3f} to {max(changes):+.3f})"
        points = [find_par(result, find_goal(base)) for result, base in pairs]
        reached = [point for point in points if point]
        count = f" ({len(reached)} of {len(points)})" if len(reached) < len(points) else ""
        cells = [
            name,
            str(len(pairs)),
            f"{mean(one.last.map50 for one in found):.3f}",
            f"{mean(one.last.map50_95 for one in found):.3f}",
            "" if name == BASE else change,
            f"{mean(one.last.image_accuracy for one in found):.2f}",
            f"{mean(one.cpu_seconds for one in found):.0f}",
            f"{mean(one.seconds for one in found):.0f}",
            f"{mean(one.cpu_seconds for one in reached):.0f}{count}" if reached else "never",
            f"{mean(one.seconds for one in reached):.0f}{count}" if reached else "never",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _tabulate_epochs(results: Results) -> str:
    """Last against best, over all trainings but the peer's, which stops when it is at par."""
    found = [result for name, all_ in results.items() if name != PEER for result in all_ if result]
    kept = {"last": [one.last for one in found], "best on the held-out pictures": [one.best for one in found]}
    lines = [
        f"Mean over {len(found)} trainings, with its standard error:",
        "",
        "| kept epoch | mAP50 | mAP50-95 | held-out mAP50 less test's | held-out mAP50-95 less test's |",
        "|---|---|---|---|---|",
    ]
    for name, figures in kept.items():
        columns = [
            [one.map50 for one in figures],
            [one.map50_95 for one in figures],
            [one.held_out_map50 - one.map50 for one in figures],
            [one.held_out_map50_95 - one.map50_95 for one in figures],
        ]
        lines.append(f"| {name} | {' | '.join(map(_estimate, columns))} |")
    gains = [one.last.map50_95 - one.best.map50_95 for one in found]
    return "\n".join(
        [*lines, "", f"mAP50-95 of the last less that of the best, in pairs: {_estimate(gains)}."]
    )


def _estimate(values: Sequence[float]) -> str:
    if not values:
        return "-"
    error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{mean(values):.3f} ± {error:.3f}"
