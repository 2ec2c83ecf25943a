"""The table of targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from assay_shared.wire import Verdict
from bench.accuracy.intervals import Figure
from bench.accuracy.photos import KINDS
from bench.accuracy.tables import (
    Brand,
    count_brands,
    describe,
    is_adequate,
    measure_accuracy,
    measure_brands,
    measure_original,
    read_p,
)

ACCURACY, INCONCLUSIVE, DOUBTED, AREA, LOST = 0.97, 0.05, 0.02, 0.95, 0.03
"""What is aimed at: at least, at most, at most, at least, at most."""


def print_summary(brands: Sequence[Brand], fewer: Sequence[Brand], more: Sequence[Brand], train: int) -> None:
    """Each target with what was measured and the peers; `fewer` and `more` are the same brands, learnt from
    `train` photos and from the full number."""
    by_detector = [brand for brand in brands if brand.results.by_detector]
    print("\n| figure | target | measured (95 %) | reached | peer |\n|---|---|---|---|---|")
    count = f"{len(by_detector)} brands by a detector's boxes"
    _print(
        f"accuracy of verdicts that are not inconclusive ({count})",
        ">= 97 %",
        measure_accuracy(by_detector),
        lambda value: value >= ACCURACY,
        f"marks found at 0.5: {describe(measure_original(by_detector), as_share=True)}",
    )
    _print(
        f"inconclusive on genuine pictures of adequate quality ({count})",
        "<= 5 %",
        count_brands(
            by_detector,
            lambda case: case.genuine and case.adequate,
            lambda case: case.verdict is Verdict.INCONCLUSIVE,
        ),
        lambda value: value <= INCONCLUSIVE,
    )
    doubted = count_brands(
        brands,
        lambda case: case.genuine and case.compared,
        lambda case: case.verdict is Verdict.COUNTERFEIT,
    )
    # The share observed may lie above the target by chance: its interval must reach down to it.
    low = doubted.low if doubted is not None else 1.0
    _print(
        "genuine called counterfeit, of those compared",
        "<= 2 %, within its interval",
        doubted,
        lambda _: low <= DOUBTED,
    )
    for kind in (*KINDS, None):
        kinds = KINDS if kind is None else [kind]
        confidence = measure_brands(by_detector, lambda case: case.confidence, is_adequate, kinds)
        likeness = measure_brands(
            brands, lambda case: case.likeness if np.isfinite(case.likeness) else None, is_adequate, kinds
        )
        _print(
            f"AUROC, {kind or 'all kinds'}",
            ">= 0.95" if kind else "",
            measure_brands(brands, read_p, is_adequate, kinds),
            (lambda value: value >= AREA) if kind else None,
            f"confidence {describe(confidence)}, embedding {describe(likeness)}",
            as_share=False,
        )
    if fewer:
        _print_fewer(fewer, more, train)


def _print_fewer(fewer: Sequence[Brand], more: Sequence[Brand], train: int) -> None:
    less, full = (measure_brands(group, read_p, is_adequate) for group in (fewer, more))
    if less is None or full is None:
        return
    lost = 100 * (full.value - less.value)
    reached = "yes" if lost <= 100 * LOST else "no"
    print(
        f"| AUROC with {train} photos ({len(fewer)} brands) | at most 3 points less | {describe(less)}: "
        f"{lost:.1f} points less | {reached} | {describe(full)} with all |"
    )


def _print(
    title: str,
    target: str,
    figure: Figure | None,
    reaches: Callable[[float], bool] | None,
    peer: str = "",
    as_share: bool = True,
) -> None:
    reached = ""
    if reaches is not None and figure is not None:
        reached = "yes" if reaches(figure.value) else "no"
    print(f"| {title} | {target} | {describe(figure, as_share)} | {reached} | {peer} |")
