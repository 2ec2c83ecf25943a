"""API keys of a brand. A key is shown once, when it is made; only its hash is kept."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from sqlalchemy import select

from assay_registry.context import Context, ContextDep, PrincipalDep, find_brand, touch_brand
from assay_registry.idempotency import IdempotencyKey, make_fingerprint, replay_or_run
from assay_registry.models import BrandRow, KeyRow
from assay_registry.paging import Paging, paginate
from assay_registry.publishing import publish
from assay_shared.auth import Scope, hash_key, make_key
from assay_shared.errors import NotFound
from assay_shared.ids import new_id, utc_now
from assay_shared.wire import Key, NewKey, Page

router = APIRouter(prefix="/v1/brands/{brand}/keys", tags=["keys"])


@router.post("", status_code=201, response_model=Key, summary="Make an API key")
def create_key(
    request: Request,
    context: ContextDep,
    principal: PrincipalDep,
    brand: str,
    body: NewKey,
    key: IdempotencyKey = None,
) -> Response:
    """Makes a key; the answer shows it, and nothing ever shows it again, a repeated request neither. Needs
    the scope `manage`."""
    principal.require(brand, Scope.MANAGE)
    answer = replay_or_run(
        context,
        key,
        principal,
        make_fingerprint(request, body),
        lambda: (201, _create(context, brand, body)),
        hidden=frozenset({"key"}),
    )
    publish(context, brand)
    return answer


@router.get("", summary="List API keys")
def list_keys(context: ContextDep, principal: PrincipalDep, brand: str, paging: Paging) -> Page[Key]:
    """The keys that are not revoked, newest first, without the keys themselves."""
    principal.require(brand)
    with context.database.session() as session:
        find_brand(session, brand)
        query = select(KeyRow).where(KeyRow.brand == brand, KeyRow.revoked_at.is_(None))
        rows, cursor = paginate(session, query, KeyRow.id, paging)
    return Page(items=[_describe(row) for row in rows], next_cursor=cursor)


@router.delete("/{key_id}", status_code=204, summary="Revoke an API key")
def revoke_key(context: ContextDep, principal: PrincipalDep, brand: str, key_id: str) -> None:
    """The key stops working at once; doing it twice is no error. Needs the scope `manage`."""
    principal.require(brand, Scope.MANAGE)
    with context.database.session() as session:
        row = session.get(KeyRow, key_id)
        if row is None or row.brand != brand:
            raise NotFound(f"There is no key {key_id!r}")
        if row.revoked_at is None:
            row.revoked_at = utc_now()
            _touch(find_brand(session, brand), row.scopes)
    publish(context, brand)


def _create(context: Context, brand: str, body: NewKey) -> Key:
    secret = make_key()
    row = KeyRow(
        id=new_id("key"),
        brand=brand,
        name=body.name,
        scopes=sorted({scope.value for scope in body.scopes}),
        sha256=hash_key(secret),
    )
    with context.database.session() as session:
        _touch(find_brand(session, brand), row.scopes)
        session.add(row)
        session.flush()
        return _describe(row).model_copy(update={"key": secret})


def _touch(brand: BrandRow, scopes: list[str]) -> None:
    if Scope.VERIFY.value in scopes:
        touch_brand(brand)


def _describe(row: KeyRow) -> Key:
    return Key(
        id=row.id, name=row.name, scopes=[Scope(scope) for scope in row.scopes], created_at=row.created_at
    )
