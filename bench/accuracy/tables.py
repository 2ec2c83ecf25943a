"""The figures as tables in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from assay_inference.checks import appearance
from assay_shared.wire import Outcome, Verdict
from bench.accuracy.cases import Case
from bench.accuracy.intervals import Figure, Pair, measure_area, measure_share
from bench.accuracy.judging import Results
from bench.accuracy.photos import KINDS

Score = Callable[[Case], float | None]
Choice = Callable[[Case], bool]


@dataclass(frozen=True)
class Brand:
    """A brand's results and its photos, ruled on; `shrunk`, the same photos of fewer pixels."""

    name: str
    results: Results
    cases: list[Case]
    shrunk: list[Case] = field(default_factory=list)


def read_p(case: Case) -> float | None:
    """The p-value of the print."""
    return case.p


def is_adequate(case: Case) -> bool:
    """Whether the picture's quality allows a judgement."""
    return case.adequate


def is_compared(case: Case) -> bool:
    """Whether the print could be compared."""
    return case.compared


def measure_brands(
    brands: Iterable[Brand], score: Score, choice: Choice, kinds: Sequence[str] = KINDS
) -> Figure | None:
    """The area under the ROC curve of a score on chosen photos that have one, fakes of these kinds."""
    return measure_area([_pair(brand.cases, score, choice, kinds) for brand in brands])


def count_brands(brands: Iterable[Brand], choice: Choice, flag: Choice) -> Figure | None:
    """The share of flagged photos among the chosen ones."""
    return measure_share([[flag(case) for case in brand.cases if choice(case)] for brand in brands])


def print_areas(brands: Sequence[Brand]) -> None:
    """By brand, on adequate pictures; then all brands on all pictures, on adequate and on compared ones, the
    verification's score, and the peers."""
    heads = [*KINDS, "all kinds"]
    print(
        "\nArea under the ROC curve of the print's p-value (95 % interval), pictures of adequate quality:\n"
    )
    print_head(["brand", *heads])
    rows: list[tuple[str, Sequence[Brand], Score, Choice]] = [
        (brand.name, [brand], read_p, is_adequate) for brand in brands
    ]
    by_detector = [brand for brand in brands if brand.results.by_detector]
    rows += [
        ("**all, adequate pictures**", brands, read_p, is_adequate),
        ("all, every picture with a p-value", brands, read_p, lambda case: True),
        ("all, pictures that the check compares", brands, read_p, is_compared),
        (
            "all, `score` of the verification, adequate",
            by_detector,
            lambda case: case.score,
            is_adequate,
        ),
        ("peer: detector's confidence", by_detector, lambda case: case.confidence, is_adequate),
        (
            "peer: nearest neighbour, whole-crop embedding",
            brands,
            lambda case: case.likeness if np.isfinite(case.likeness) else None,
            is_adequate,
        ),
    ]
    for title, chosen, score, choice in rows:
        cells = [measure_brands(chosen, score, choice, [kind]) for kind in KINDS]
        cells.append(measure_brands(chosen, score, choice))
        print_row(title, [describe(cell) for cell in cells])


def print_verdicts(brands: Sequence[Brand]) -> None:
    """What is ruled, by brand, and what the original's way makes of the same photos."""
    heads = ["boxes", "accuracy", "inconclusive, adequate genuine", "inconclusive, all genuine"]
    heads += ["genuine doubted", "genuine counterfeit", "fakes counterfeit", "fakes inconclusive"]
    heads += ["fakes genuine", "others genuine", "peer: accuracy"]
    print("\nVerdicts; accuracy of all that are not inconclusive, genuine photos and fakes:\n")
    print_head(["brand", *heads])
    groups: list[tuple[str, list[Brand]]] = [(brand.name, [brand]) for brand in brands]
    for title, by_detector in (("**all, detector's boxes**", True), ("all, annotated boxes", False)):
        chosen = [brand for brand in brands if brand.results.by_detector is by_detector]
        if chosen:
            groups.append((title, chosen))
    for title, chosen in groups:
        boxes = "detector" if chosen[0].results.by_detector else "annotated"
        cells = [
            measure_accuracy(chosen),
            count_brands(chosen, lambda case: case.genuine and case.adequate, _is_inconclusive),
            count_brands(chosen, lambda case: case.genuine, _is_inconclusive),
            count_brands(chosen, lambda case: case.genuine and case.compared, _is_doubted),
            count_brands(chosen, lambda case: case.genuine, _is_counterfeit),
            count_brands(chosen, lambda case: case.fake, _is_counterfeit),
            count_brands(chosen, lambda case: case.fake, _is_inconclusive),
            count_brands(chosen, lambda case: case.fake, _is_genuine),
            count_brands(chosen, lambda case: case.other, _is_genuine),
            measure_original(chosen),
        ]
        print_row(title, [boxes, *(describe(cell, as_share=True) for cell in cells)])


def print_causes(brands: Sequence[Brand]) -> None:
    """Which checks are unclear on genuine photos whose verdict is inconclusive."""
    blind = [case for brand in brands for case in brand.cases if case.genuine and _is_inconclusive(case)]
    names = [name for case in blind for name, outcome in case.outcomes.items() if outcome is Outcome.UNCLEAR]
    told = ", ".join(f"{name} {names.count(name)}" for name in dict.fromkeys(names))
    print(f"\nOf {len(blind)} inconclusive genuine photos these checks were unclear: {told or 'none'}.")


def measure_accuracy(brands: Iterable[Brand]) -> Figure | None:
    """The share of right verdicts among those on genuine photos and fakes that are not inconclusive."""
    return count_brands(
        brands,
        lambda case: not case.other and not _is_inconclusive(case),
        lambda case: case.genuine is _is_genuine(case),
    )


def measure_original(brands: Iterable[Brand]) -> Figure | None:
    """The same for the original's way, which is never inconclusive."""
    return count_brands(
        brands,
        lambda case: not case.other and case.original is not None,
        lambda case: case.genuine is case.original,
    )


def describe(figure: Figure | None, as_share: bool = False) -> str:
    """A figure with its interval; a share in percent, with its count."""
    if figure is None:
        return "-"
    if as_share:
        return (
            f"{100 * figure.value:.1f} % ({100 * figure.low:.0f}-{100 * figure.high:.0f}, n {figure.count})"
        )
    return f"{figure.value:.2f} ({figure.low:.2f}-{figure.high:.2f})"


def _pair(cases: Iterable[Case], score: Score, choice: Choice, kinds: Sequence[str]) -> Pair:
    chosen = [(case, value) for case in cases if choice(case) and (value := score(case)) is not None]
    genuine = [value for case, value in chosen if case.genuine]
    return genuine, [value for case, value in chosen if case.kind in kinds]


def _is_inconclusive(case: Case) -> bool:
    return case.verdict is Verdict.INCONCLUSIVE


def _is_genuine(case: Case) -> bool:
    return case.verdict is Verdict.GENUINE


def _is_counterfeit(case: Case) -> bool:
    return case.verdict is Verdict.COUNTERFEIT


def _is_doubted(case: Case) -> bool:
    return case.outcomes[appearance.NAME] is Outcome.FAIL


def print_head(heads: Sequence[str]) -> None:
    """The head of a table."""
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")


def print_row(title: str, cells: Sequence[str]) -> None:
    """A row of a table."""
    print(f"| {title} | {' | '.join(cells)} |")
