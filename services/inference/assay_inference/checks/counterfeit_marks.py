"""Check `counterfeit_marks`: does the product show a tell-tale of known fakes?"""

from __future__ import annotations

from assay_inference.checks.evidence import Evidence, Judged, answer, grade
from assay_shared.detector.on_product import lies_on_product
from assay_shared.wire import LabelRole, Outcome

NAME = "counterfeit_marks"


def judge(evidence: Evidence) -> Judged:
    """Fails when a label of role `counterfeit` was found on the product, or without a product anywhere:
    brands may mark the whole fake as one. What was seen counts however bad the picture is. Not applicable
    when the model knows no such label."""
    known = [label for label, role in evidence.roles.items() if role is LabelRole.COUNTERFEIT]
    if not known:
        return answer(NAME, Outcome.NOT_APPLICABLE, "The model knows no counterfeit marks")
    product = evidence.product
    there = [
        seen
        for seen in evidence.seen
        if seen.role is LabelRole.COUNTERFEIT
        and (product is None or lies_on_product(product.box, seen.box, LabelRole.COUNTERFEIT))
    ]
    worst = max(there, key=lambda seen: grade(seen.confidence, seen.threshold), default=None)
    score = 1.0 - grade(worst.confidence, worst.threshold) if worst else 1.0
    values = {"known": known, "confidence": {seen.label: round(seen.confidence, 4) for seen in there}}
    if worst and worst.sure:
        reason = f"{worst.label!r}, a sign of counterfeits, was found"
        # Exactly at the threshold the grade is one half, which counts as genuine elsewhere.
        return answer(NAME, Outcome.FAIL, reason, score=min(score, 0.49), values=values)
    return answer(NAME, Outcome.PASS, "No sign of known counterfeits was found", score=score, values=values)
