"""Publishing a brand: what verifying needs to know goes to bucket `live` as `{brand}/brand.json`.

A request that changes a brand publishes it at once; what that could not do, because the store was down or
the process died, the background work does. Publishers of one brand go one after another, so an older
revision never replaces a newer one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from assay_registry.context import Context, find_brand
from assay_registry.models import BrandRow, KeyRow, ProductRow
from assay_shared import logs
from assay_shared.auth import Scope
from assay_shared.errors import Unavailable
from assay_shared.keys import LIVE, brand_key
from assay_shared.wire import BrandSettings, PublishedBrand, PublishedKey, PublishedProduct

TURN_SECONDS = 2.0
"""How long a request waits for another that publishes; after that the background work does it."""
LOCK = 0x70756273
"""The first number of PostgreSQL's advisory locks that publishers hold; the second is the brand's hash."""

log = logs.get_logger(__name__)
_turn = threading.Lock()


def publish(context: Context, slug: str) -> None:
    """Publishes a brand if its published revision is behind. When the store or the database does not answer,
    this is logged and left to the background work. Raises NotFound."""
    if not _turn.acquire(timeout=TURN_SECONDS):
        return
    try:
        with _alone(context, slug):
            _publish(context, slug)
    except Unavailable as error:
        log.warning("brand not published yet", brand=slug, error=error.detail)
    finally:
        _turn.release()


def publish_pending(context: Context) -> None:
    """Publishes every brand whose published revision is behind. Raises Unavailable for the database only."""
    with context.database.session() as session:
        behind = session.scalars(
            select(BrandRow.slug).where(BrandRow.published_revision < BrandRow.revision)
        ).all()
    for slug in behind:
        publish(context, slug)


def describe_brand(session: Session, slug: str) -> PublishedBrand:
    """What verifying needs to know of a brand. Raises NotFound."""
    brand = find_brand(session, slug)
    settings = BrandSettings.model_validate(brand.settings)
    products = session.scalars(
        select(ProductRow).where(ProductRow.brand == slug).order_by(ProductRow.gtin)
    ).all()
    keys = session.scalars(
        select(KeyRow).where(KeyRow.brand == slug, KeyRow.revoked_at.is_(None)).order_by(KeyRow.id)
    ).all()
    return PublishedBrand(
        slug=slug,
        name=brand.name,
        revision=brand.revision,
        public_verification=settings.public_verification,
        thresholds=settings.thresholds,
        kept_pictures=settings.kept_pictures,
        doubted_share=settings.doubted_share,
        inconclusive_share=settings.inconclusive_share,
        products=[
            PublishedProduct(gtin=product.gtin, label=product.label, name=product.name)
            for product in products
        ],
        verify_keys=[
            PublishedKey(id=key.id, sha256=key.sha256) for key in keys if Scope.VERIFY.value in key.scopes
        ],
    )


def _publish(context: Context, slug: str) -> None:
    with context.database.session() as session:
        brand = find_brand(session, slug)
        if brand.published_revision >= brand.revision:
            return
        described = describe_brand(session, slug)
    context.store.put_json(LIVE, brand_key(slug), described.model_dump(mode="json"))
    with context.database.session() as session:
        session.execute(
            update(BrandRow)
            .where(BrandRow.slug == slug, BrandRow.published_revision < described.revision)
            .values(published_revision=described.revision)
        )
    log.info("brand published", brand=slug, revision=described.revision)


@contextmanager
def _alone(context: Context, slug: str) -> Iterator[None]:
    """Keeps other processes from publishing this brand; SQLite is of one process, which `_turn` covers."""
    if context.database.engine.dialect.name != "postgresql":
        yield
        return
    with context.database.session() as session:
        session.execute(select(func.pg_advisory_xact_lock(LOCK, func.hashtext(slug))))
        yield
