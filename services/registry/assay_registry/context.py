"""What every route works with: settings, database, store, queue; and who calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import select
from sqlalchemy.orm import Session

from assay_registry.database import Database
from assay_registry.models import BrandRow, KeyRow
from assay_registry.settings import RegistrySettings
from assay_shared import auth
from assay_shared.auth import Principal, Scope
from assay_shared.errors import NotAllowed, NotAuthenticated, NotFound
from assay_shared.queue import TaskQueue
from assay_shared.storage import ObjectStore


@dataclass(frozen=True)
class Context:
    """The parts of this process, made once by `app.create_app`."""

    settings: RegistrySettings
    database: Database
    store: ObjectStore
    queue: TaskQueue


def get_context(request: Request) -> Context:
    """The context of the app that serves this request."""
    context: Context = request.app.state.context
    return context


ContextDep = Annotated[Context, Depends(get_context)]


def identify(request: Request, context: ContextDep) -> Principal:
    """Who calls: the admin, or a brand's key. Raises NotAuthenticated, and NotAllowed for a page of another
    site that uses the cookie."""
    header, cookie = request.headers.get("authorization"), request.cookies.get(auth.COOKIE)
    key = auth.read_key(header, cookie)
    if key is None:
        raise NotAuthenticated("Send an API key as `Authorization: Bearer KEY`")
    if not header and request.method not in {"GET", "HEAD"}:
        _refuse_other_sites(request)
    sha256 = auth.hash_key(key)
    if auth.same_hash(sha256, context.settings.admin_key_sha256):
        return Principal(admin=True)
    with context.database.session() as session:
        row = session.scalar(select(KeyRow).where(KeyRow.sha256 == sha256, KeyRow.revoked_at.is_(None)))
    if row is None:
        raise NotAuthenticated("This API key is unknown or revoked")
    return Principal(brand=row.brand, key_id=row.id, scopes=frozenset(Scope(scope) for scope in row.scopes))


PrincipalDep = Annotated[Principal, Depends(identify)]


def require_service(request: Request, context: ContextDep) -> None:
    """Lets only Assay's own services in (routes under /internal)."""
    key = auth.read_key(request.headers.get("authorization"))
    token = context.settings.service_token.get_secret_value()
    if key is None or not auth.same_hash(auth.hash_key(key), auth.hash_key(token)):
        raise NotAuthenticated("This route is for Assay's own services")


def find_brand(session: Session, slug: str) -> BrandRow:
    """The brand's row. Raises NotFound."""
    row = session.get(BrandRow, slug)
    if row is None:
        raise NotFound(f"There is no brand {slug!r}")
    return row


def touch_brand(brand: BrandRow) -> None:
    """Marks that verifying must learn of a change; the background work publishes it."""
    # In SQL, for two changes at once must count as two.
    brand.revision = BrandRow.revision + 1


def _refuse_other_sites(request: Request) -> None:
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site not in {None, "same-origin", "none"} or (
        site is None and origin is not None and origin.partition("://")[2] != request.headers.get("host")
    ):
        raise NotAllowed("A page of another site may not use the cookie")
