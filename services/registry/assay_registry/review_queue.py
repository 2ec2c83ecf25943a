"""What is worth reviewing first: kinds that nobody has reviewed yet, then what is least certain."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from assay_registry.models import BrandRow, ReviewRow, VerificationRow
from assay_registry.verifications import describe
from assay_shared.doubt import MIDDLE, find_appearance_p
from assay_shared.wire import BrandSettings, LoggedVerification, Outcome, Verification

LOOKED_AT = 500
"""Verifications without a review, the newest, among which the queue chooses, and reviews of which it knows
the kinds: reading 500 takes 0.2 s."""
LEAST_P = 1e-6
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")

Kind = tuple[str, str, str]
"""A check, its outcome, and its reason without numbers."""


def read_queue(session: Session, brand: BrandRow, length: int) -> list[LoggedVerification]:
    """The verifications of a brand to review next, at most `length`, most useful first."""
    reviewed = session.scalars(
        select(VerificationRow)
        .join(ReviewRow, ReviewRow.verification == VerificationRow.id)
        .where(VerificationRow.brand == brand.slug)
        .order_by(ReviewRow.created_at.desc())
        .limit(LOOKED_AT)
    )
    known = {kind for row in reviewed for kind in find_kinds(Verification.model_validate(row.body))}
    waiting = session.scalars(
        select(VerificationRow)
        .outerjoin(ReviewRow, ReviewRow.verification == VerificationRow.id)
        .where(VerificationRow.brand == brand.slug, ReviewRow.verification.is_(None))
        .order_by(VerificationRow.id.desc())
        .limit(LOOKED_AT)
    ).all()
    doubted_share = BrandSettings.model_validate(brand.settings).doubted_share
    chosen = rank(describe(session, waiting), known, doubted_share)
    return chosen[:length]


def rank(
    verifications: Sequence[LoggedVerification], known: Iterable[Kind], doubted_share: float
) -> list[LoggedVerification]:
    """The verifications, most useful first: one of each kind that is not known, then the others; both the
    least certain first."""
    known = set(known)
    first: list[LoggedVerification] = []
    others: list[LoggedVerification] = []
    for verification in sorted(verifications, key=lambda one: measure_certainty(one, doubted_share)):
        kinds = find_kinds(verification)
        (others if kinds <= known else first).append(verification)
        known |= kinds
    return first + others


def find_kinds(verification: Verification) -> set[Kind]:
    """What is unusual about a verification: its checks that failed or were unclear, with their reasons."""
    return {
        (check.name, check.outcome.value, _NUMBER.sub("#", check.reason))
        for check in verification.checks
        if check.outcome in (Outcome.FAIL, Outcome.UNCLEAR)
    }


def measure_certainty(verification: Verification, doubted_share: float) -> float:
    """From 0, on the edge between verdicts, to 1: the score's distance from the middle, or the p-value's from
    the share of genuine products that may be doubted (on a logarithmic scale, 1 at p = 1), whichever is
    less."""
    by_score = min(1.0, abs(verification.score - MIDDLE) / MIDDLE)
    p = find_appearance_p(verification)
    if p is None:
        return by_score
    return min(by_score, abs(math.log(max(p, LEAST_P) / doubted_share)) / -math.log(doubted_share))
