"""Check `marks`: does the product show every mark that a genuine one must show?"""

from __future__ import annotations

from assay_inference.checks.evidence import Evidence, Judged, Seen, answer, grade
from assay_inference.checks.image_quality import GLARE_HIDES
from assay_inference.geometry import cut_off_sides
from assay_shared.detector.on_product import lies_on_product
from assay_shared.wire import LabelRole, Outcome

NAME = "marks"
HINTED = 0.5
"""Share of its threshold from which on a mark that was not found may be there, seen badly."""


def judge(evidence: Evidence, picture_is_good: bool) -> Judged:
    """Each required mark of the product must be found with its middle in the product's box.

    A missing mark fails only where the picture would have shown it: the picture is good, the product is
    whole inside it, glare hides nothing, and the detector has not even half seen the mark. Otherwise it is
    unclear. The score is that of the weakest mark.
    """
    product = evidence.product
    if product is None:
        return answer(NAME, Outcome.NOT_APPLICABLE, "No product was found whose marks could be checked")
    required = evidence.required_marks.get(product.label, ())
    if not required:
        return answer(NAME, Outcome.NOT_APPLICABLE, f"{product.label!r} has no required marks")
    best = {mark: _best(mark, product, evidence) for mark in required}
    missing = [mark for mark, seen in best.items() if seen is None or not seen.sure]
    score = min(grade(seen.confidence, seen.threshold) if seen else 0.0 for seen in best.values())
    values = {
        "required": list(required),
        "missing": missing,
        "confidence": {mark: round(seen.confidence, 4) if seen else 0.0 for mark, seen in best.items()},
        "threshold": {mark: seen.threshold for mark, seen in best.items() if seen},
    }
    if not missing:
        return answer(NAME, Outcome.PASS, "All required marks were found", score=score, values=values)
    names = ", ".join(repr(mark) for mark in missing)
    blind = _why_blind(evidence, product, picture_is_good, [best[mark] for mark in missing])
    if blind is None:
        return answer(NAME, Outcome.FAIL, f"The product lacks {names}", score=score, values=values)
    why, hint = blind
    return answer(
        NAME, Outcome.UNCLEAR, f"{names} was not found, but {why}", hint, score=score, values=values
    )


def _best(mark: str, product: Seen, evidence: Evidence) -> Seen | None:
    there = [
        seen
        for seen in evidence.seen
        if seen.label == mark and lies_on_product(product.box, seen.box, LabelRole.MARK)
    ]
    return max(there, key=lambda seen: seen.confidence, default=None)


def _why_blind(
    evidence: Evidence, product: Seen, picture_is_good: bool, missing: list[Seen | None]
) -> tuple[str, str] | None:
    """Why a mark could be there unseen, and what helps; None when the picture would have shown it."""
    if not picture_is_good:
        return "the picture is not good enough to say", "Take the picture again as advised"
    sides = cut_off_sides(product.box, evidence.width, evidence.height)
    if sides:
        return (
            f"the product is cut off ({', '.join(sides)})",
            "Show the whole product, with some space around",
        )
    if evidence.appearance is not None and evidence.appearance.p is None:
        return (
            "its print is not that of the product either: it may be another product",
            "Photograph a product of this brand, its printed face towards the camera",
        )
    if evidence.quality.glare >= GLARE_HIDES:
        return "glare may hide it", "Avoid glare: tilt the product or the light"
    if any(seen is not None and seen.confidence >= HINTED * seen.threshold for seen in missing):
        return "something like it is there", "Move closer and hold the camera straight above the product"
    return None
