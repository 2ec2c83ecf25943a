"""Brands: made by the admin, changed by the brand itself."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from assay_registry.context import Context, ContextDep, PrincipalDep, find_brand, touch_brand
from assay_registry.idempotency import IdempotencyKey, make_fingerprint, replay_or_run
from assay_registry.models import BrandRow
from assay_registry.paging import Paging, paginate
from assay_registry.publishing import publish
from assay_shared.errors import Conflict
from assay_shared.wire import Brand, BrandPatch, BrandSettings, NewBrand, Page

router = APIRouter(prefix="/v1/brands", tags=["brands"])


@router.post("", status_code=201, response_model=Brand, summary="Make a brand")
def create_brand(
    request: Request, context: ContextDep, principal: PrincipalDep, body: NewBrand, key: IdempotencyKey = None
) -> Response:
    """Makes a brand; only the admin may. 409 when the slug is taken."""
    principal.require_admin()
    answer = replay_or_run(
        context, key, principal, make_fingerprint(request, body), lambda: (201, _create(context, body))
    )
    publish(context, body.slug)
    return answer


@router.get("", summary="List brands")
def list_brands(context: ContextDep, principal: PrincipalDep, paging: Paging) -> Page[Brand]:
    """All brands for the admin; its own for a brand's key."""
    query = select(BrandRow)
    if not principal.admin:
        query = query.where(BrandRow.slug == principal.brand)
    with context.database.session() as session:
        rows, cursor = paginate(session, query, BrandRow.slug, paging, newest_first=False)
    return Page(items=[describe(row) for row in rows], next_cursor=cursor)


@router.get("/{brand}", summary="Show a brand")
def show_brand(context: ContextDep, principal: PrincipalDep, brand: str) -> Brand:
    """A brand with its settings."""
    principal.require(brand)
    with context.database.session() as session:
        return describe(find_brand(session, brand))


@router.patch("/{brand}", summary="Change a brand's name or settings")
def change_brand(context: ContextDep, principal: PrincipalDep, brand: str, body: BrandPatch) -> Brand:
    """What is given replaces what is there; `settings` as a whole. For the admin: a brand does not loosen
    its own gate."""
    principal.require_brand(brand)
    principal.require_admin()
    with context.database.session() as session:
        row = find_brand(session, brand)
        if body.name is not None:
            row.name = body.name
        if body.settings is not None:
            row.settings = body.settings.model_dump(mode="json")
        touch_brand(row)
        session.flush()
        changed = describe(row)
    publish(context, brand)
    return changed


def describe(row: BrandRow) -> Brand:
    """The brand as it travels."""
    return Brand(
        slug=row.slug,
        name=row.name,
        settings=BrandSettings.model_validate(row.settings),
        created_at=row.created_at,
    )


def _create(context: Context, body: NewBrand) -> Brand:
    row = BrandRow(slug=body.slug, name=body.name, settings=body.settings.model_dump(mode="json"))
    try:
        with context.database.session() as session:
            session.add(row)
            session.flush()
            return describe(row)
    except IntegrityError as error:
        raise Conflict(f"There is a brand {body.slug!r} already") from error
