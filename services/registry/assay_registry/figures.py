"""Figures of a brand's verifications over time: how many are doubted, and whether live pictures drift."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from assay_registry.context import ContextDep, PrincipalDep, find_brand
from assay_registry.drift import LEAST_VALUES, UNLIKELY, measure_uniformity
from assay_registry.models import ModelVersionRow, ReviewRow, VerificationRow
from assay_shared.doubt import is_doubted
from assay_shared.ids import utc_now
from assay_shared.wire import DayFigures, Drift, Figures, ReviewTruth, Verdict, VerificationCounts

NEWEST = 200
"""Verifications, and p-values, that tell how things stand now."""
BINS = 10
MAX_DAYS = 365

DOUBTED = VerificationRow.verdict != Verdict.GENUINE.value
"""`assay_shared.doubt.is_doubted` in SQL."""

router = APIRouter(prefix="/v1/brands/{brand}/figures", tags=["verifications"])


@router.get("", summary="Show figures of verifications")
def show_figures(
    context: ContextDep,
    principal: PrincipalDep,
    brand: str,
    days: Annotated[int, Query(ge=1, le=MAX_DAYS)] = 30,
) -> Figures:
    """How the brand's verifications ended, by day (UTC) and of the last 200; how the p-values of the check
    `appearance` are spread; and whether they say that live pictures no longer look like those that the live
    model was calibrated on."""
    principal.require(brand)
    with context.database.session() as session:
        find_brand(session, brand)
        return read_figures(session, brand, days)


def read_figures(session: Session, brand: str, days: int) -> Figures:
    """The figures of the last so many days."""
    return Figures(
        days=_count_days(session, brand, days),
        newest=count_newest(session, brand),
        drift=measure_drift(session, brand),
        to_review=_count_unreviewed(session, brand, days),
    )


def count_newest(session: Session, brand: str) -> VerificationCounts:
    """How the last NEWEST verifications of a brand ended."""
    rows = session.execute(
        select(VerificationRow.verdict, VerificationRow.appearance_p)
        .where(VerificationRow.brand == brand)
        .order_by(VerificationRow.id.desc())
        .limit(NEWEST)
    ).all()
    verdicts = [Verdict(verdict) for verdict, _ in rows]
    return VerificationCounts(
        verifications=len(rows),
        doubted=sum(map(is_doubted, verdicts)),
        counterfeit=verdicts.count(Verdict.COUNTERFEIT),
        inconclusive=verdicts.count(Verdict.INCONCLUSIVE),
        p_values=bin_p_values([p for _, p in rows if p is not None]),
    )


def measure_drift(session: Session, brand: str) -> Drift:
    """Tests the newest p-values of the live model version, at most NEWEST, against uniform; those that a
    review calls counterfeit are left out."""
    live = session.scalar(
        select(ModelVersionRow.version).where(ModelVersionRow.brand == brand, ModelVersionRow.state == "live")
    )
    values = session.scalars(
        select(VerificationRow.appearance_p)
        .outerjoin(ReviewRow, ReviewRow.verification == VerificationRow.id)
        .where(
            VerificationRow.brand == brand,
            VerificationRow.model_version == live,
            VerificationRow.appearance_p.is_not(None),
            or_(ReviewRow.truth.is_(None), ReviewRow.truth != ReviewTruth.COUNTERFEIT.value),
        )
        .order_by(VerificationRow.id.desc())
        .limit(NEWEST)
    ).all()
    known = [p for p in values if p is not None]
    if len(known) < LEAST_VALUES:
        return Drift(model_version=live, p_values=len(known))
    found = measure_uniformity(known)
    return Drift(
        model_version=live,
        p_values=len(known),
        distance=round(found.distance, 4),
        p=found.p,
        drifted=found.p < UNLIKELY,
    )


def bin_p_values(values: Sequence[float]) -> list[int]:
    """How many of these p-values lie in each tenth of 0 to 1."""
    counts = [0] * BINS
    for p in values:
        counts[min(int(p * BINS), BINS - 1)] += 1
    return counts


def _count_days(session: Session, brand: str, days: int) -> list[DayFigures]:
    day = _day_of(session)
    verdict, p = VerificationRow.verdict, VerificationRow.appearance_p
    columns = [
        func.count(),
        _count(DOUBTED),
        _count(verdict == Verdict.COUNTERFEIT.value),
        _count(verdict == Verdict.INCONCLUSIVE.value),
        *(
            _count(and_(p >= place / BINS, p < (place + 1) / BINS if place < BINS - 1 else p <= 1))
            for place in range(BINS)
        ),
    ]
    rows = session.execute(
        select(day, *columns)
        .where(VerificationRow.brand == brand, VerificationRow.created_at >= utc_now() - timedelta(days=days))
        .group_by(day)
        .order_by(day)
    ).all()
    return [_describe_day(*row) for row in rows]


def _describe_day(
    day: str, verifications: int, doubted: int, counterfeit: int, inconclusive: int, *p_values: int
) -> DayFigures:
    return DayFigures(
        day=date.fromisoformat(day),
        verifications=verifications,
        doubted=doubted,
        counterfeit=counterfeit,
        inconclusive=inconclusive,
        p_values=list(p_values),
    )


def _count_unreviewed(session: Session, brand: str, days: int) -> int:
    query = (
        select(func.count())
        .select_from(VerificationRow)
        .outerjoin(ReviewRow, ReviewRow.verification == VerificationRow.id)
        .where(
            VerificationRow.brand == brand,
            VerificationRow.created_at >= utc_now() - timedelta(days=days),
            ReviewRow.verification.is_(None),
            DOUBTED,
        )
    )
    return session.scalar(query) or 0


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _day_of(session: Session) -> ColumnElement[str]:
    """The day (UTC) of a verification as text, such as 2026-11-25."""
    if session.get_bind().dialect.name == "postgresql":
        return func.to_char(func.timezone("UTC", VerificationRow.created_at), "YYYY-MM-DD")
    return func.date(VerificationRow.created_at)
