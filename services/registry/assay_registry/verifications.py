"""The log of verifications: recorded when verifying delivers them, read by the brand, kept for a while."""

from __future__ import annotations

import time
import weakref
from datetime import UTC, timedelta

from fastapi import APIRouter, Response
from sqlalchemy import delete, select

from assay_registry.context import Context, ContextDep, PrincipalDep, find_brand
from assay_registry.models import BrandRow, VerificationRow
from assay_registry.paging import Paging, paginate
from assay_registry.upsert import insert_missing
from assay_shared.auth import Principal, Scope
from assay_shared.errors import NotAllowed, NotFound
from assay_shared.ids import utc_now
from assay_shared.storage import ObjectStore
from assay_shared.wire import BrandSettings, Page, Verdict, Verification

SWEEP_SECONDS = 3600.0
"""Retention is counted in days; once an hour a process looks."""

router = APIRouter(prefix="/v1", tags=["verifications"])
internal_router = APIRouter()
_swept: weakref.WeakKeyDictionary[ObjectStore, float] = weakref.WeakKeyDictionary()


@router.get("/verifications/{verification}")
def show_verification(context: ContextDep, principal: PrincipalDep, verification: str) -> Verification:
    """One verification, for its brand's keys with scope `verify` or `manage`."""
    with context.database.session() as session:
        row = session.get(VerificationRow, verification)
    if row is None or not _may_read(principal, row.brand):
        raise NotFound(f"There is no verification {verification!r} that this key may see")
    return Verification.model_validate(row.body)


@router.get("/brands/{brand}/verifications")
def list_verifications(
    context: ContextDep,
    principal: PrincipalDep,
    brand: str,
    paging: Paging,
    verdict: Verdict | None = None,
) -> Page[Verification]:
    """The brand's verifications, newest first; `verdict` keeps those that ended so."""
    principal.require_brand(brand)
    if not _may_read(principal, brand):
        raise NotAllowed("Reading verifications needs a key with the scope 'verify' or 'manage'")
    query = select(VerificationRow).where(VerificationRow.brand == brand)
    if verdict is not None:
        query = query.where(VerificationRow.verdict == verdict.value)
    with context.database.session() as session:
        find_brand(session, brand)
        rows, cursor = paginate(session, query, VerificationRow.id, paging)
    return Page(items=[Verification.model_validate(row.body) for row in rows], next_cursor=cursor)


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
                    "body": body.model_dump(mode="json"),
                    "created_at": body.created_at.astimezone(UTC),
                }
            ],
        )
    return Response(status_code=204)


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


def _may_read(principal: Principal, brand: str) -> bool:
    return principal.admin or (
        principal.brand == brand and bool({Scope.VERIFY, Scope.MANAGE} & principal.scopes)
    )
