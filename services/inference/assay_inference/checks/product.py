"""Check `product`: is a product of this brand in the picture, and the one that the caller named?"""

from __future__ import annotations

from assay_inference.checks.evidence import Evidence, Judged, answer, grade
from assay_inference.geometry import cut_off_sides
from assay_shared.wire import LabelRole, Outcome

NAME = "product"


def judge(evidence: Evidence) -> Judged:
    """Passes when a product was found above its threshold. It never fails: nothing found proves nothing.

    A `gtin` of the caller that names a product that is not there, or none of this brand, makes it unclear
    rather than failed: it is what somebody typed or scanned elsewhere, not what this picture shows. The
    barcode in the picture is judged by the check `barcode`, which can fail.
    """
    product = evidence.product
    named = evidence.label_of(evidence.gtin)
    shown = [one.label for one in ([product] if product else evidence.others)]
    if evidence.gtin is not None and shown and named not in shown:
        return _not_asked(evidence.gtin, named, shown)
    if product is None:
        return _nothing(evidence)
    score = grade(product.confidence, product.threshold)
    values: dict[str, object] = {
        "label": product.label,
        "confidence": product.confidence,
        "threshold": product.threshold,
        "cut_off": cut_off_sides(product.box, evidence.width, evidence.height),
    }
    if evidence.gtin is not None:
        values |= {"gtin": evidence.gtin, "named": named}
    return answer(NAME, Outcome.PASS, f"{product.label!r} was found", score=score, values=values)


def _nothing(evidence: Evidence) -> Judged:
    products = [one for one in evidence.seen if one.role is LabelRole.PRODUCT]
    best = max(products, key=lambda one: one.confidence / max(one.threshold, 1e-6), default=None)
    score = grade(best.confidence, best.threshold) if best else 0.0
    return answer(
        NAME,
        Outcome.UNCLEAR,
        "No product of this brand was found",
        "Show one whole product of the brand, upright, and fill the picture with it",
        score=score,
        values={
            "label": best.label if best else None,
            "confidence": best.confidence if best else 0.0,
            "threshold": best.threshold if best else None,
        },
    )


def _not_asked(gtin: str, named: str | None, shown: list[str]) -> Judged:
    """Products are there, but not the one that the caller named."""
    labels = sorted(set(shown))
    values: dict[str, object] = {"gtin": gtin, "named": named, "shown": labels}
    if named is None:
        reason = f"GTIN {gtin} is not registered to this brand"
        hint = "Compare the digits under the barcode with the GTIN that was sent"
    else:
        found = ", ".join(repr(label) for label in labels)
        reason = f"The picture shows {found}, but not {named!r}, which the GTIN names"
        hint = f"Photograph the product of GTIN {gtin}, or send the GTIN of what the picture shows"
    return answer(NAME, Outcome.UNCLEAR, reason, hint, score=0.5, values=values)
