"""From checks to the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay_inference.checks import image_quality, product
from assay_inference.checks.evidence import Judged
from assay_shared.doubt import MIDDLE
from assay_shared.wire import Outcome, Verdict

WORST_FIRST = (Verdict.COUNTERFEIT, Verdict.INCONCLUSIVE, Verdict.GENUINE)


@dataclass(frozen=True)
class Ruling:
    """The verdict, its score from 0 to 1 (higher is more genuine), and what helps when it is inconclusive."""

    verdict: Verdict
    score: float
    guidance: tuple[str, ...]


def rule(judged: Sequence[Judged]) -> Ruling:
    """Counterfeit if any check fails (checks fail only where they can see); genuine if the product was
    found and every check that applies passes; inconclusive otherwise, with guidance.

    The score is the least score of the checks that passed or failed, `image_quality` left out, for it is
    about the picture and not the product. Genuine is 0.5 or more, counterfeit less than 0.5; inconclusive
    at most 0.5.
    """
    checks = [one.check for one in judged]
    outcomes = {check.outcome for check in checks}
    found = any(check.name == product.NAME and check.outcome is Outcome.PASS for check in checks)
    if Outcome.FAIL in outcomes:
        verdict = Verdict.COUNTERFEIT
    elif Outcome.UNCLEAR in outcomes or not found:
        verdict = Verdict.INCONCLUSIVE
    else:
        verdict = Verdict.GENUINE
    scores = [
        check.score
        for check in checks
        if check.name != image_quality.NAME
        and check.score is not None
        and (check.outcome in (Outcome.PASS, Outcome.FAIL))
    ]
    score = min(scores, default=MIDDLE)
    if verdict is Verdict.INCONCLUSIVE:
        score = min(score, MIDDLE)
    guidance = tuple(dict.fromkeys(hint for one in judged for hint in one.guidance))
    return Ruling(verdict, score, () if verdict is Verdict.GENUINE else guidance)


def rank(ruling: Ruling) -> tuple[int, float]:
    """What sorts rulings of several products, the worst first."""
    return WORST_FIRST.index(ruling.verdict), ruling.score


def qualify(worst: Ruling, products: int, left_out: int) -> Ruling:
    """The ruling of a picture by the worst of so many products that count, further ones `left_out`.

    A picture is not genuine by the products that nobody judged; what helps with several is to show one.
    """
    guidance, verdict, score = worst.guidance, worst.verdict, worst.score
    if left_out and verdict is Verdict.GENUINE:
        verdict, score = Verdict.INCONCLUSIVE, min(score, MIDDLE)
    if products > 1 and verdict is Verdict.INCONCLUSIVE:
        guidance = (*guidance, "Photograph the products one by one")
    return Ruling(verdict, score, guidance)
