"""The products of a picture, judged: each by itself, and one of them for the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay_inference.checks import image_quality, run_checks
from assay_inference.checks.evidence import Evidence, Judged, Seen
from assay_inference.geometry import to_wire
from assay_inference.products import Products
from assay_inference.verdict import Ruling, qualify, rank, rule
from assay_shared.wire import JudgedProduct, Outcome, Verdict


@dataclass(frozen=True)
class Judgement:
    """A product, None for a picture in which the one to judge is not there; its evidence, checks, ruling."""

    product: Seen | None
    evidence: Evidence
    checks: tuple[Judged, ...]
    ruling: Ruling


def judge(product: Seen | None, evidence: Evidence) -> Judgement:
    """Runs all checks on the evidence of one product."""
    checks = tuple(run_checks(evidence))
    return Judgement(product, evidence, checks, rule(checks))


def sort_judgements(judgements: Sequence[Judgement], asked: str | None) -> list[Judgement]:
    """Those of the label asked for first, each the worst first; a picture without its product before all.

    Of several of the label asked for, one that the picture does not show well enough comes after those that
    it does: on a shelf, copies stand out of focus behind the one that was photographed.
    """
    return sorted(
        judgements,
        key=lambda one: (
            one.product is not None,
            one.product is not None and one.product.label != asked,
            asked is not None and _is_background(one),
            rank(one.ruling),
        ),
    )


def _is_background(judgement: Judgement) -> bool:
    """Whether a product is undecided for the picture's sake."""
    outcomes = {one.check.name: one.check.outcome for one in judgement.checks}
    unclear = outcomes.get(image_quality.NAME) is Outcome.UNCLEAR
    return unclear and judgement.ruling.verdict is Verdict.INCONCLUSIVE


def rule_picture(judgements: Sequence[Judgement], products: Products, gtin: str | None) -> Ruling:
    """The ruling of a picture whose sorted judgements these are: that of the first. Where the caller named a
    GTIN, only products of its label count."""
    first = judgements[0]
    asked = first.product.label if first.product and gtin else None
    counting = [one for one in products.judged if asked in (None, one.label)]
    left_out = [one for one in products.left_out if asked in (None, one.label)]
    return qualify(first.ruling, len(counting), len(left_out))


def describe_products(judgements: Sequence[Judgement]) -> list[JudgedProduct]:
    """The products of sorted judgements as they travel; the first of all judgements decides."""
    return [
        JudgedProduct(
            label=one.product.label,
            gtin=_find_gtin(one.evidence, one.product.label),
            confidence=round(one.product.confidence, 4),
            box=to_wire(one.product.box),
            verdict=one.ruling.verdict,
            score=round(one.ruling.score, 4),
            checks=[check.check for check in one.checks],
            guidance=list(one.ruling.guidance),
            decides=one is judgements[0],
        )
        for one in judgements
        if one.product is not None
    ]


def find_gtin(evidence: Evidence) -> str | None:
    """The GTIN that the caller named, else that of a code that was read, one that the brand registered before
    others."""
    gtins = [code.gtin for code in evidence.barcodes if code.gtin]
    known = [gtin for gtin in gtins if evidence.label_of(gtin)]
    return evidence.gtin or next(iter(known or gtins), None)


def _find_gtin(evidence: Evidence, label: str) -> str | None:
    registered = [product.gtin for product in evidence.products if product.label == label]
    read = [code.gtin for code in evidence.barcodes if code.gtin in registered]
    only = registered if len(registered) == 1 else []
    return evidence.gtin or next(iter([*read, *only]), None)
