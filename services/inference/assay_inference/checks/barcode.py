"""Check `barcode`: does the code on the product belong to this brand and to this product?"""

from __future__ import annotations

from assay_inference.barcodes import Barcode
from assay_inference.checks.evidence import Evidence, Judged, answer
from assay_inference.geometry import grow, holds_centre
from assay_shared.wire import Outcome

NAME = "barcode"
AROUND = 0.1
"""Share of the product's box by which a code may lie outside it."""
LEAD = 0.2
"""Confidence by which the product must lead the barcode's own product before they contradict each other."""
RESTRICTED = ("02", "04", "2")
"""First digits of 13-digit numbers that shops give out themselves (GS1: restricted circulation)."""


def judge(evidence: Evidence) -> Judged:
    """Judges the codes whose middle lies on the product; others may belong to anything in the background.

    One code that fits passes, whatever stickers are beside it. Otherwise a wrong check digit, another
    product's code or a code that the brand never registered fails: a code that was decoded was seen. None
    on the product is not applicable. Without a product no code can fail, for it may be another thing's.
    """
    carrying = [code for code in evidence.barcodes if (code.gtin or code.problem) and not _in_store(code)]
    read = {
        "read": [{"text": code.text[:200], "format": code.format, "gtin": code.gtin} for code in carrying]
    }
    product = evidence.product
    if product is None:
        if not carrying:
            return answer(NAME, Outcome.NOT_APPLICABLE, "No barcode was read", values=read)
        if any(evidence.label_of(code.gtin) for code in carrying):
            return answer(
                NAME, Outcome.PASS, "The barcode is registered to this brand", score=1.0, values=read
            )
        return answer(
            NAME, Outcome.UNCLEAR, "A barcode that this brand did not register, and no product", values=read
        )
    place = grow(product.box, AROUND)
    on_product = [code for code in carrying if holds_centre(place, code.box)]
    if not on_product:
        reason = "No barcode was read on the product"
        return answer(NAME, Outcome.NOT_APPLICABLE, reason, values=read)
    judged = [_judge_code(code, evidence) for code in on_product]
    order = [Outcome.PASS, Outcome.FAIL, Outcome.UNCLEAR]
    outcome, reason = min(judged, key=lambda one: order.index(one[0]))
    score = {Outcome.PASS: 1.0, Outcome.FAIL: 0.0, Outcome.UNCLEAR: 0.5}[outcome]
    hints = ("Photograph one product alone",) if outcome is Outcome.UNCLEAR else ()
    return answer(NAME, outcome, reason, *hints, score=score, values=read)


def _judge_code(code: Barcode, evidence: Evidence) -> tuple[Outcome, str]:
    product = evidence.product
    assert product is not None  # noqa: S101  (the caller has one)
    if code.gtin is None:
        return Outcome.FAIL, f"The code {code.text[:60]!r} has a wrong check digit"
    label = evidence.label_of(code.gtin)
    if label is None:
        return Outcome.FAIL, f"GTIN {code.gtin} on the product is not registered to this brand"
    if label == product.label:
        return Outcome.PASS, f"GTIN {code.gtin} is registered to {label!r}"
    if product.confidence - evidence.best(label) < LEAD:
        return (
            Outcome.UNCLEAR,
            f"The barcode is that of {label!r}; the product may be that or {product.label!r}",
        )
    return Outcome.FAIL, f"The barcode is that of {label!r}, but the product is {product.label!r}"


def _in_store(code: Barcode) -> bool:
    """Whether a shop made this number up: it says nothing about the product's maker."""
    gtin = code.gtin
    return gtin is not None and gtin.startswith("0") and gtin[1:].startswith(RESTRICTED)
