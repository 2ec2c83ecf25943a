"""What limits the judgement, and what it costs, as tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from assay_inference.checks import appearance
from assay_shared.wire import DOUBTED_SHARE, Outcome
from bench.accuracy.cases import Case
from bench.accuracy.photos import KINDS
from bench.accuracy.tables import (
    Brand,
    Choice,
    count_brands,
    describe,
    measure_brands,
    print_head,
    print_row,
    read_p,
)

SHARES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Settings of `doubted_share` to show."""
UNDECIDED = (0.0, 0.01, 0.03, 0.05, 0.08, 0.13, 0.18)
"""Settings of `inconclusive_share` to show, beside the default share of doubt."""
SIZES = (1, 400, 500, 600, 700, 850, 1000, 1200, 1400, 1600, 1800, 10_000)
"""Edges of bins of the product's long side, pixels."""
HEIGHTS = (1, 16, 24, 32, 48, 64, 10_000)
"""Edges of bins of the height of a line with altered words, pixels."""
TEXT = "altered-text"


def print_shares(brands: Sequence[Brand]) -> None:
    """What a brand's setting does: genuine doubted, and fakes of each kind caught, of those compared."""
    print("\nThe setting `doubted_share`: genuine photos doubted and fakes caught, of those compared:\n")
    print_head(["doubted_share", "genuine doubted", *KINDS, "all kinds"])
    for share in SHARES:

        def departs(case: Case, share: float = share) -> bool:
            return case.p is not None and case.p < share

        def chosen(kinds: Sequence[str]) -> Choice:
            return lambda case: case.compared and case.kind in kinds

        cells = [count_brands(brands, lambda case: case.genuine and case.compared, departs)]
        cells += [count_brands(brands, chosen([kind]), departs) for kind in KINDS]
        cells.append(count_brands(brands, chosen(KINDS), departs))
        print_row(f"{share:g}", [describe(cell, as_share=True) for cell in cells])


def print_undecided(brands: Sequence[Brand]) -> None:
    """What is left undecided by print, and what that spares, of photos compared."""
    print(f"\nThe setting `inconclusive_share`, with `doubted_share` {DOUBTED_SHARE:g}, of those compared:\n")
    heads = ["genuine inconclusive", "fakes inconclusive", "fakes that pass", "right of those decided"]
    print_head(["inconclusive_share", *heads])

    def is_genuine(case: Case) -> bool:
        return case.compared and case.genuine

    def is_fake(case: Case) -> bool:
        return case.compared and case.fake

    for share in UNDECIDED:

        def passes(case: Case, share: float = share) -> bool:
            return case.p is not None and case.p >= DOUBTED_SHARE + share

        def decided(case: Case) -> bool:
            return case.p is not None and (case.p < DOUBTED_SHARE or passes(case))

        cells = [
            count_brands(brands, is_genuine, lambda case: not decided(case)),
            count_brands(brands, is_fake, lambda case: not decided(case)),
            count_brands(brands, is_fake, passes),
            count_brands(
                brands,
                lambda case: (is_genuine(case) or is_fake(case)) and decided(case),
                lambda case: case.genuine is passes(case),
            ),
        ]
        print_row(f"{share:g}", [describe(cell, as_share=True) for cell in cells])


def print_sizes(brands: Sequence[Brand]) -> None:
    """Areas by the size of the product, and how many genuine photos can be compared there."""
    print("\nArea by the product's long side in pixels, adequate pictures, whether compared or not:\n")
    print_head(["pixels", "genuine", "fakes", "genuine compared", *KINDS, "all kinds"])
    everything = _join_shrunk(brands)
    for low, high in pairwise(SIZES):

        def fits(case: Case, low: int = low, high: int = high) -> bool:
            return case.adequate and low <= case.long_side < high

        there = [case for brand in everything for case in brand.cases if fits(case)]
        counts = [sum(case.genuine for case in there), sum(case.fake for case in there)]
        if not all(counts):
            continue
        compared = count_brands(
            everything, lambda case: case.genuine and fits(case), lambda case: case.compared
        )
        cells = [describe(compared, as_share=True)]
        cells += [describe(measure_brands(everything, read_p, fits, [kind])) for kind in KINDS]
        cells.append(describe(measure_brands(everything, read_p, fits)))
        print_row(f"{low}-{high}", [*map(str, counts), *cells])


def print_heights(brands: Sequence[Brand]) -> None:
    """What becomes of altered text by the height of its line in the picture: area, and the verdict of the
    print at the default settings."""
    print("\nAltered text by the height of its line in pixels, adequate pictures:\n")
    print_head(["pixels", "fakes", TEXT, "departs", "inconclusive", "passes"])
    everything = _join_shrunk(brands)
    for low, high in pairwise(HEIGHTS):

        def fits(case: Case, low: int = low, high: int = high) -> bool:
            return case.adequate and (case.genuine or low <= case.altered_height < high)

        def chosen(case: Case, fits: Choice = fits) -> bool:
            return case.kind == TEXT and fits(case)

        fakes = sum(chosen(case) for brand in everything for case in brand.cases)
        if not fakes:
            continue
        area = measure_brands(everything, read_p, fits, [TEXT])
        cells = [
            count_brands(everything, chosen, _answers(outcome))
            for outcome in (Outcome.FAIL, Outcome.UNCLEAR, Outcome.PASS)
        ]
        shares = [describe(cell, as_share=True) for cell in cells]
        print_row(f"{low}-{high}", [str(fakes), describe(area), *shares])


def _join_shrunk(brands: Sequence[Brand]) -> list[Brand]:
    """The brands with their photos of fewer pixels among the others."""
    return [Brand(brand.name, brand.results, brand.cases + brand.shrunk) for brand in brands]


def _answers(outcome: Outcome) -> Choice:
    return lambda case: case.outcomes[appearance.NAME] is outcome


def print_costs(brands: Sequence[Brand]) -> None:
    """Fitting and judging: aligned photos, seconds, milliseconds, bytes."""
    print("\n| brand | aligned | fit s | ms a photo | kB | not fitted because |\n|---|---|---|---|---|---|")
    for brand in brands:
        one = brand.results
        spent = [photo.milliseconds for photo in one.measured.values() if photo.appearance is not None]
        ms = f"{np.median(spent):.0f}" if spent else "-"
        aligned = f"{one.aligned}/{one.photos}"
        print(
            f"| {brand.name} | {aligned} | {one.seconds:.0f} | {ms} | {one.bytes / 1000:.0f} | {one.reason} |"
        )
