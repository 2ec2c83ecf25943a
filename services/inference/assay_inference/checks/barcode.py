"""Check `barcode`: does the code on the product belong to this brand and to this product?"""

from __future__ import annotations

from assay_inference.barcodes import Barcode
from assay_inference.checks.evidence import Evidence, Judged, Seen, answer
from assay_inference.geometry import Rectangle, grow, holds, holds_centre
from assay_shared.wire import LabelRole, Outcome

NAME = "barcode"
AROUND = 0.1
"""Share of the product's box by which a code may lie outside it."""
LOOSE = 0.03
"""Share of the product's box by which it may be drawn too tight."""
LEAD = 0.2
"""Confidence by which the product must lead the barcode's own product before they contradict each other."""
RESTRICTED = ("02", "04", "2")
"""First digits of 13-digit numbers that shops give out themselves (GS1: restricted circulation)."""

Opinion = tuple[Outcome, str, tuple[str, ...]]


def judge(evidence: Evidence) -> Judged:
    """Judges the codes whose middle lies on the product; others may belong to anything in the background.

    One code that fits passes, whatever stickers are beside it. Otherwise a wrong check digit, another
    product's code or a code that the brand never registered fails: a code that was decoded was seen. Where
    another brand registered it, the check says that it belongs to another product, never whose it is, and
    fails only where the code is surely on this product, for the other one may stand beside it. A code that
    breaks GS1's syntax and holds no GTIN is unclear. None on the product is not applicable. Without a product
    no code can fail, for it may be another thing's.
    """
    carrying = [
        code
        for code in evidence.barcodes
        if (code.gtin or code.problem or code.malformed) and not _in_store(code)
    ]
    values: dict[str, object] = {"read": [_describe(code) for code in carrying]}
    if evidence.barcode_ran_out:
        values["ran_out"] = True
    product = evidence.product
    place = grow(product.box, AROUND) if product else None
    judged = [
        _judge_code(code, product, evidence)
        for code in carrying
        if place is None or holds_centre(place, code.box)
    ]
    if not judged:
        where = " on the product" if product else ""
        late = " in the time that there is for it" if evidence.barcode_ran_out else ""
        return answer(NAME, Outcome.NOT_APPLICABLE, f"No barcode was read{where}{late}", values=values)
    order = [Outcome.PASS, Outcome.FAIL, Outcome.UNCLEAR]
    outcome, reason, hints = min(judged, key=lambda one: order.index(one[0]))
    score = {Outcome.PASS: 1.0, Outcome.FAIL: 0.0, Outcome.UNCLEAR: None if product is None else 0.5}[outcome]
    return answer(NAME, outcome, reason, *hints, score=score, values=values)


def _describe(code: Barcode) -> dict[str, str | None]:
    """What was read, from the picture alone."""
    told = {"text": code.text[:200], "format": code.format, "gtin": code.gtin}
    if code.problem or code.malformed:
        told["problem"] = code.problem or code.malformed
    return told


def _judge_code(code: Barcode, product: Seen | None, evidence: Evidence) -> Opinion:
    if product is None:
        return _judge_alone(code, evidence)
    if code.gtin is None:
        if code.problem:
            return Outcome.FAIL, f"The code {code.text[:60]!r} has a wrong check digit", ()
        return (
            Outcome.UNCLEAR,
            f"The code {code.text[:60]!r} holds no GTIN that can be read: {code.malformed}",
            ("Photograph the bars of the product, with the digits below them",),
        )
    label = evidence.label_of(code.gtin)
    if label is None and code.gtin in evidence.elsewhere:
        reason = f"This code belongs to another product: GTIN {code.gtin} is not this brand's"
        if _surely_on(code.box, product, evidence):
            return Outcome.FAIL, reason, ()
        return Outcome.UNCLEAR, reason, ("Photograph one product alone",)
    if label is None:
        return Outcome.FAIL, f"GTIN {code.gtin} on the product is not registered to this brand", ()
    if label == product.label:
        return Outcome.PASS, f"GTIN {code.gtin} is registered to {label!r}", ()
    if any(other.label == label for other in evidence.others) and not _surely_on(code.box, product, evidence):
        return (
            Outcome.UNCLEAR,
            f"The barcode is that of {label!r}, which stands beside it",
            ("Photograph one product alone",),
        )
    if product.confidence - evidence.best(label) < LEAD:
        return (
            Outcome.UNCLEAR,
            f"The barcode is that of {label!r}; the product may be that or {product.label!r}",
            ("Photograph one product alone",),
        )
    return Outcome.FAIL, f"The barcode is that of {label!r}, but the product is {product.label!r}", ()


def _judge_alone(code: Barcode, evidence: Evidence) -> Opinion:
    """A code in a picture in which no product was found."""
    if evidence.label_of(code.gtin):
        return Outcome.PASS, "The barcode is registered to this brand", ()
    if code.gtin in evidence.elsewhere:
        return (
            Outcome.UNCLEAR,
            "This code belongs to another product, and no product of the brand is there",
            (),
        )
    return Outcome.UNCLEAR, "A barcode that this brand did not register, and no product", ()


def _surely_on(box: Rectangle, product: Seen, evidence: Evidence) -> bool:
    """Whether a code lies wholly on the product and on nothing else that looks like one."""
    others = [
        seen
        for seen in (*evidence.seen, *evidence.others)
        if seen is not product and seen.role is LabelRole.PRODUCT and holds_centre(seen.box, box)
    ]
    return holds(grow(product.box, LOOSE), box) and not others


def _in_store(code: Barcode) -> bool:
    """Whether a shop made this number up: it says nothing about the product's maker."""
    gtin = code.gtin
    return gtin is not None and gtin.startswith("0") and gtin[1:].startswith(RESTRICTED)
