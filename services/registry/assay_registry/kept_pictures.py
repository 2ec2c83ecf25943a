"""The kept pictures of verifications: what a review makes of them, and deleting them in time.

They come in by the upload that is reserved for them, sanitised like any other, as images of state `kept`. A
review that says genuine or counterfeit offers them for annotation (state `received`); with their boxes saved
they are images like any other. A file of that upload is named after its verification: its stem is the id.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from assay_registry.context import Context
from assay_registry.files import ACCEPTED, KEPT, QUARANTINED, RECEIVED, lock_brand
from assay_registry.models import BrandRow, FileRow, ImageRow, ReviewRow
from assay_registry.near_duplicates import find_near_duplicate
from assay_registry.removal import remove_file, remove_image
from assay_shared import logs
from assay_shared.ids import utc_now
from assay_shared.keys import KEPT_PICTURES
from assay_shared.storage import ObjectStore
from assay_shared.wire import BrandSettings, ReviewTruth

SWEEP_SECONDS = 3600.0
"""Retention is counted in days; once an hour a process looks."""
UNUSABLE, EXPIRED = "unusable", "expired"
"""Codes of images that are about to be deleted, or that leave the next dataset version."""
REASONS = {
    UNUSABLE: "A review says that the picture shows nothing to learn from.",
    EXPIRED: "The time for which the brand keeps pictures of verifications is over.",
}

log = logs.get_logger(__name__)
_swept: weakref.WeakKeyDictionary[ObjectStore, float] = weakref.WeakKeyDictionary()


def find_pictures(session: Session, brand: str, verifications: Iterable[str]) -> dict[str, str]:
    """The sha256 of the kept pictures of those of these verifications that have one."""
    rows = session.execute(
        select(FileRow.stem, FileRow.sha256).where(
            FileRow.brand == brand,
            FileRow.upload == KEPT_PICTURES,
            FileRow.stem.in_(list(verifications)),
            FileRow.sha256.is_not(None),
        )
    ).all()
    return {stem: str(sha256) for stem, sha256 in rows}


def apply_review(session: Session, brand: str, verification: str) -> None:
    """Does to the kept picture of a verification what its review says; nothing while either is missing.

    Needs `files.lock_brand`. An unusable picture leaves the dataset, unless the brand has uploaded the same
    picture itself; `drop_unusable` then deletes it.
    """
    review = session.get(ReviewRow, verification)
    sha256 = find_pictures(session, brand, [verification]).get(verification)
    image = session.get(ImageRow, (brand, sha256)) if sha256 else None
    if review is None or review.brand != brand or image is None:
        return
    if review.truth == ReviewTruth.UNUSABLE:
        if not _is_uploaded(session, image):
            _withdraw(image, UNUSABLE)
        return
    image.truth = review.truth
    if image.state == KEPT or image.code == UNUSABLE:
        offer(session, image)


def offer(session: Session, image: ImageRow) -> None:
    """Offers a kept picture for annotation; one that has its boxes already is accepted again."""
    image.state = RECEIVED if image.annotations is None else ACCEPTED
    image.code = image.reason = None
    image.near_duplicate_of = find_near_duplicate(session, image.brand, image.sha256, image.perceptual_hash)


def drop_unusable(context: Context, brand: str, verification: str | None = None) -> int:
    """Deletes kept pictures that a review calls unusable, of one verification or of all; gives how many.
    Raises StoreUnavailable."""
    query = _list_droppable(brand).join(ReviewRow, ReviewRow.verification == FileRow.stem)
    query = query.where(ReviewRow.brand == brand, ReviewRow.truth == ReviewTruth.UNUSABLE.value)
    if verification is not None:
        query = query.where(FileRow.stem == verification)
    return _drop_all(context, query, UNUSABLE)


def drop_expired(context: Context, brand: str, kept: timedelta) -> int:
    """Deletes kept pictures that are older than this; gives how many. Raises StoreUnavailable."""
    return _drop_all(context, _list_droppable(brand).where(FileRow.created_at < utc_now() - kept), EXPIRED)


def sweep(context: Context) -> None:
    """Deletes what is unusable or expired, at most once an hour. Raises Unavailable."""
    if time.monotonic() - _swept.get(context.store, -SWEEP_SECONDS) < SWEEP_SECONDS:
        return
    with context.database.session() as session:
        brands = session.execute(select(BrandRow.slug, BrandRow.settings)).all()
    for slug, stored in brands:
        settings = BrandSettings.model_validate(stored)
        days = min(settings.kept_pictures_days, settings.verification_retention_days)
        gone = drop_unusable(context, slug) + drop_expired(context, slug, timedelta(days=days))
        if gone:
            log.info("kept pictures deleted", brand=slug, pictures=gone)
    _swept[context.store] = time.monotonic()


def _list_droppable(brand: str) -> Select[str]:
    """The files of kept pictures that no dataset version has taken."""
    return (
        select(FileRow.id)
        .outerjoin(ImageRow, (ImageRow.brand == FileRow.brand) & (ImageRow.sha256 == FileRow.sha256))
        .where(
            FileRow.brand == brand,
            FileRow.upload == KEPT_PICTURES,
            or_(ImageRow.in_dataset.is_(None), ImageRow.in_dataset.is_(False)),
        )
    )


def _drop_all(context: Context, query: Select[str], code: str) -> int:
    with context.database.session() as session:
        files = session.scalars(query).all()
    return sum(_drop(context, file, code) for file in files)


def _drop(context: Context, file: str, code: str) -> bool:
    """Deletes one file and, if nothing else needs it, its image; whether it did."""
    with context.database.session() as session:
        row = session.get(FileRow, file)
        if row is None:
            return False
        lock_brand(session, row.brand)
        image = session.get(ImageRow, (row.brand, row.sha256)) if row.sha256 else None
        if image is not None and image.in_dataset:
            return False
        alone = image is not None and not _has_other_files(session, image, row)
        if image is not None and alone:
            # From here on no dataset version can take it.
            _withdraw(image, code)
    if image is not None and alone:
        remove_image(context, image)
    else:
        remove_file(context, row)
    return True


def _withdraw(image: ImageRow, code: str) -> None:
    image.state, image.code, image.reason = QUARANTINED, code, REASONS[code]


def _has_other_files(session: Session, image: ImageRow, row: FileRow) -> bool:
    query = select(FileRow.id).where(FileRow.brand == image.brand, FileRow.sha256 == image.sha256)
    return session.scalar(query.where(FileRow.id != row.id).limit(1)) is not None


def _is_uploaded(session: Session, image: ImageRow) -> bool:
    """Whether the brand has uploaded the same picture itself."""
    query = select(FileRow.id).where(FileRow.brand == image.brand, FileRow.sha256 == image.sha256)
    return session.scalar(query.where(FileRow.upload != KEPT_PICTURES).limit(1)) is not None
