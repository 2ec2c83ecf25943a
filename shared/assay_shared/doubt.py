"""Which verifications are worth a second look."""

from __future__ import annotations

from assay_shared.wire import Outcome, Verdict, Verification

MIDDLE = 0.5
"""The score between genuine and counterfeit."""
NEAR = 0.1
"""A score is near the middle when it is no farther from it: a fifth of the way from a threshold to certainty,
for a check's score is 0.5 at its threshold and 1 when it is certain."""
APPEARANCE = "appearance"
"""The check whose p-values say whether live pictures still look like those of the calibration."""


def is_doubted(verdict: Verdict, score: float) -> bool:
    """Whether the verdict is not genuine, or its score (0 to 1) is near the middle."""
    return verdict is not Verdict.GENUINE or abs(score - MIDDLE) <= NEAR


def find_appearance_p(verification: Verification) -> float | None:
    """The p-value (0 to 1) of the check `appearance`; None where that check is missing or could not judge."""
    for check in verification.checks:
        if check.name == APPEARANCE and check.outcome in (Outcome.PASS, Outcome.FAIL):
            p = check.values.get("p")
            if isinstance(p, int | float) and not isinstance(p, bool) and 0 <= p <= 1:
                return float(p)
    return None
