"""Check `appearance`: does the print look like that of the genuine photos, as far as the picture can show?"""

from __future__ import annotations

import math

from assay_inference.appearance_workers import Appearance
from assay_inference.checks.evidence import Evidence, Judged, answer, grade
from assay_inference.geometry import cut_off_sides
from assay_shared.appearance.model import LEAST_COVERED
from assay_shared.appearance.significance import KNOWN
from assay_shared.wire import Outcome

NAME = "appearance"
CAUSES = {
    "ink": "the colours of the print differ",
    "fineness": "the print is coarser",
    "proportions": "the proportions of the face differ",
    "print": "a word or another small part of the print differs",
    "structure": "something is printed that should not be, or is missing",
    "colour": "a part of the print has other colours",
    "loss": "a part of the print lacks detail",
    "excess": "a part of the print has detail that should not be there",
    "shift": "a part of the print is not in its place",
    KNOWN: "it departs as known counterfeits of yours do",
}
"""By cause, what a person can look for."""
TRAITS = {"colour": "its colours differ", "fineness": "its surface is coarser or finer"}
"""The same of a product that is looked at as a whole."""
UNDECIDED = (
    "Take another picture: straight from the front, near, in even light",
    "If that is undecided too, have a person compare the product with a genuine one",
)
"""What helps where the print departs, and not far enough to be called counterfeit."""
OUTDATED = (
    "The print is not compared: another version of Assay learnt what it looks like",
    "Train the brand's model again",
)
"""After an upgrade; a genuine product must not be doubted for it, and a fake must not pass."""
WEAKER = "it has no print that could be compared place by place, so this is a weaker judgement"


def judge(evidence: Evidence, picture_is_good: bool) -> Judged:
    """Fails where fewer genuine photos than the brand's share of doubt depart as far; unclear where the
    picture cannot be compared with genuine ones, and where so few depart as far that it should not be called
    genuine either.

    The score is 0.5 at the share of doubt: above it the p-value, stretched to 1; below it, in proportion.
    What cannot be compared has none.
    """
    product = evidence.product
    if product is None:
        return answer(NAME, Outcome.NOT_APPLICABLE, "No product was found whose print could be compared")
    found = evidence.appearance
    if found is None:
        why = evidence.no_appearance or "the model version knows no appearance of this product"
        return answer(NAME, Outcome.NOT_APPLICABLE, f"The print is not compared: {why}")
    if found.outdated:
        return answer(NAME, Outcome.UNCLEAR, *OUTDATED)
    share = evidence.doubted_share
    values: dict[str, object] = {
        "p": found.p,
        "doubted_share": share,
        "inconclusive_share": evidence.inconclusive_share,
        "causes": {name: round(p, 4) for name, p in (found.causes or {}).items()},
        "covered": found.covered,
        "glare": found.glare,
        "density": found.density,
        "least_density": found.least_density,
        "softness": _finite(found.softness),
        "most_softness": _finite(found.most_softness),
        "weaker": found.whole,
    }
    blind = _why_blind(evidence, product.box, picture_is_good)
    if found.p is None or blind is not None:
        why, hint = blind or (
            "its print could not be found on it",
            f"Make sure that this is {product.label!r}; show its whole printed face, sharp and without glare",
        )
        return answer(NAME, Outcome.UNCLEAR, f"The print cannot be compared: {why}", hint, values=values)
    score = grade(found.p, share)
    if found.p < share:
        reason = _describe_departure(found, "departs from")
        return answer(NAME, Outcome.FAIL, reason, score=score, values=values)
    if found.p < share + evidence.inconclusive_share:
        reason = _describe_departure(found, "may depart from")
        return answer(NAME, Outcome.UNCLEAR, reason, *UNDECIDED, score=score, values=values)
    reason = f"As a whole the product looks genuine; {WEAKER}" if found.whole else "The print looks genuine"
    return answer(NAME, Outcome.PASS, reason, score=score, values=values)


def _describe_departure(found: Appearance, departs: str) -> str:
    """What departs most, for a person to look at."""
    causes = found.causes or {}
    cause = min(causes, key=lambda name: causes[name])
    if found.whole:
        return f"As a whole the product {departs} genuine ones: {TRAITS[cause]}; {WEAKER}"
    return f"The print {departs} the genuine one: {CAUSES[cause.split()[0]]}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _why_blind(
    evidence: Evidence, box: tuple[float, float, float, float], picture_is_good: bool
) -> tuple[str, str] | None:
    """Why the picture cannot be compared with genuine ones, and what helps."""
    found = evidence.appearance
    if found is None:
        return None
    sides = cut_off_sides(box, evidence.width, evidence.height)
    if found.p is None or found.whole:
        if sides:
            return (
                f"the product is cut off ({', '.join(sides)})",
                "Show the whole product, with some space around",
            )
        if not picture_is_good:
            return "the picture is not good enough", "Take the picture again as advised"
        if found.p is None:
            return None
    if found.covered < LEAST_COVERED:
        if found.glare > 1 - LEAST_COVERED:
            return "glare lies over it", "Avoid glare: tilt the product or the light"
        return "a part of it is not in the picture", "Show the whole product, with some space around"
    if found.density < found.least_density:
        return "it is too small", "Move closer: the product should fill the picture"
    # Softness is nan where nothing but the print has edges: then the picture's own sharpness must do.
    if found.softness > found.most_softness:
        return "the picture is too soft", "Hold the camera still and tap the product to focus"
    if not picture_is_good:
        return "the picture is not good enough", "Take the picture again as advised"
    return None
