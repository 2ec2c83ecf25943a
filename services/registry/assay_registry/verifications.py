"""The log of verifications: recorded when verifying delivers them, read by the brand, kept for a while."""

from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from datetime import UTC, timedelta

from fastapi import APIRouter, Response
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from assay_registry.context import Context, ContextDep, PrincipalDep, find_brand
from assay_registry.kept_pictures import find_pictures
from assay_registry.models import BrandRow, ReviewRow, VerificationRow
from assay_registry.paging import Paging, paginate
from assay_registry.upsert import insert_missing
from assay_shared.auth import Principal, Scope
from assay_shared.doubt import find_appearance_p
from assay_shared.errors import NotAllowed, NotFound
from assay_shared.ids import utc_now
from assay_shared.storage import ObjectStore
from assay_shared.wire import (
    BrandSettings,
    LoggedVerification,
    Page,
    Review,
    ReviewTruth,
    Verdict,
    Verification,
)

SWEEP_SECONDS = 3600.0
"""Retention is counted in days; once an hour a process looks."""

router = APIRouter(prefix="/v1", tags=["verifications"])
internal_router = APIRouter()
_swept: weakref.WeakKeyDictionary[ObjectStore, float] = weakref.WeakKeyDictionary()


@router.get("/verifications/{verification}")
def show_verification(context: ContextDep, principal: PrincipalDep, verification: str) -> LoggedVerification:
    """One verification, for its brand's keys with scope `verify` or `manage`; with its review and its kept
    picture, if there are any, for those with `manage`."""
    with context.database.session() as session:
        row = session.get(VerificationRow, verification)
        if row is None or not _may_read(principal, row.brand):
            raise NotFound(f"There is no verification {verification!r} that this key may see")
        return describe(session, [row], reviewed=_may_review(principal))[0]


@router.get("/brands/{brand}/verifications")
def list_verifications(
    context: ContextDep,
    principal: PrincipalDep,
    brand: str,
    paging: Paging,
    verdict: Verdict | None = None,
) -> Page[LoggedVerification]:
    """The brand's verifications, newest first; `verdict` keeps those that ended so. Keys with the scope
    `manage` see reviews and kept pictures too."""
    principal.require_brand(brand)
    if not _may_read(principal, brand):
        raise NotAllowed("Reading verifications needs a key with the scope 'verify' or 'manage'")
    query = select(VerificationRow).where(VerificationRow.brand == brand)
    if verdict is not None:
        query = query.where(VerificationRow.verdict == verdict.value)
    with context.database.session() as session:
        find_brand(session, brand)
        rows, cursor = paginate(session, query, VerificationRow.id, paging)
        items = describe(session, rows, reviewed=_may_review(principal))
    return Page(items=items, next_cursor=cursor)


@internal_router.post("/verifications", status_code=204)
def record_verification(context: ContextDep, body: Verification) -> Response:
    """Keeps a verification; one that is there already stays as it is. NotFound for an unknown brand."""
    with context.database.session() as session:
        find_brand(session, body.brand)
        insert_missing(
            session,
            VerificationRow,
            [
                {
                    "id": body.id,
                    "brand": body.brand,
                    "verdict": body.verdict.value,
                    "score": body.score,
                    "model_version": body.model_version,
                    "appearance_p": find_appearance_p(body),
                    "body": body.model_dump(mode="json"),
                    "created_at": body.created_at.astimezone(UTC),
                }
            ],
        )
    return Response(status_code=204)


def describe(
    session: Session, rows: Sequence[VerificationRow], *, reviewed: bool = True
) -> list[LoggedVerification]:
    """These verifications, of one brand, as they travel; `reviewed`: with reviews and kept pictures."""
    if not rows or not reviewed:
        return [LoggedVerification.model_validate(row.body) for row in rows]
    ids = [row.id for row in rows]
    reviews = {
        row.verification: describe_review(row)
        for row in session.scalars(select(ReviewRow).where(ReviewRow.verification.in_(ids)))
    }
    pictures = find_pictures(session, rows[0].brand, ids)
    return [
        LoggedVerification.model_validate(
            {**row.body, "review": reviews.get(row.id), "picture": pictures.get(row.id)}
        )
        for row in rows
    ]


def describe_review(row: ReviewRow) -> Review:
    """The review as it travels."""
    return Review(
        truth=ReviewTruth(row.truth), note=row.note, reviewer=row.reviewer, created_at=row.created_at
    )


def sweep(context: Context) -> None:
    """Deletes what is older than its brand's `verification_retention_days`; at most once an hour."""
    if time.monotonic() - _swept.get(context.store, -SWEEP_SECONDS) < SWEEP_SECONDS:
        return
    with context.database.session() as session:
        brands = session.execute(select(BrandRow.slug, BrandRow.settings)).all()
    for slug, settings in brands:
        kept = timedelta(days=BrandSettings.model_validate(settings).verification_retention_days)
        with context.database.session() as session:
            session.execute(
                delete(VerificationRow).where(
                    VerificationRow.brand == slug, VerificationRow.created_at < utc_now() - kept
                )
            )
    _swept[context.store] = time.monotonic()


def _may_review(principal: Principal) -> bool:
    return principal.admin or Scope.MANAGE in principal.scopes


def _may_read(principal: Principal, brand: str) -> bool:
    return principal.admin or (
        principal.brand == brand and bool({Scope.VERIFY, Scope.MANAGE} & principal.scopes)
    )
