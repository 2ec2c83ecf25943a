"""Which verifications are worth a second look."""

from __future__ import annotations

from assay_shared.wire import Verdict, Verification

MIDDLE = 0.5
"""The score between genuine and counterfeit."""
NEAR = 0.05
"""A score is near the middle when it is no farther from it: a tenth of the way from a threshold to certainty,
for a check's score is 0.5 at its threshold and 1 when it is certain. About 12 in 100 genuine products lie
there by the check `appearance`, whose score from its threshold on is the p-value, stretched."""
APPEARANCE = "appearance"
"""The check whose p-values say whether live pictures still look like those of the calibration."""


def is_doubted(verdict: Verdict) -> bool:
    """Whether the product was not called genuine."""
    return verdict is not Verdict.GENUINE


def is_near(score: float) -> bool:
    """Whether a score (0 to 1) is so near the middle that little more would have changed the verdict."""
    return MIDDLE - NEAR <= score <= MIDDLE + NEAR


def find_appearance_p(verification: Verification) -> float | None:
    """The p-value (0 to 1) of the check `appearance`; None where that check is missing or could not compare,
    for it has no score then, and where the picture shows several products: that of the worst is no fair
    draw."""
    if len(verification.products) > 1:
        return None
    for check in verification.checks:
        if check.name == APPEARANCE and check.score is not None:
            p = check.values.get("p")
            if isinstance(p, int | float) and not isinstance(p, bool) and 0 <= p <= 1:
                return float(p)
    return None
