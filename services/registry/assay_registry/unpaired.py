"""What is still to do of a brand's uploads, and giving up on files whose other half never came.

Giving up is reversible: when the other half arrives later, both are accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from assay_registry.context import Context
from assay_registry.files import (
    ANNOTATION,
    CLAIM_LASTS,
    IMAGE,
    MOVED,
    NO_IMAGE,
    QUARANTINED,
    RECEIVED,
    UNANNOTATED,
    delete_quarantined,
    find_files,
    is_ingested,
    lock_brand,
    quarantined_key,
    refuse,
    upload_key,
)
from assay_registry.models import FileRow, ImageRow
from assay_shared import logs
from assay_shared.errors import NotFound
from assay_shared.ids import utc_now
from assay_shared.keys import KEPT_PICTURES, QUARANTINE, UPLOADS, parse_upload_key, reason_key
from assay_shared.wire import Source

BATCH = 1_000
log = logs.get_logger(__name__)


def count_pending(context: Context, brand: str) -> int:
    """How many raw objects of a brand lie in bucket `uploads` that `ingest` has not read yet.

    Raises StoreUnavailable.
    """
    pending = 0
    for batch in _list_sources(context, brand):
        with context.database.session() as session:
            known = find_files(session, batch)
        pending += sum(
            not is_ingested(known.get((source.brand, source.upload, source.name, source.etag)))
            for source in batch
        )
    return pending


def quarantine_unpaired(context: Context, brand: str) -> int:
    """Moves images that never got an annotation (`unannotated`) and annotations that never got an image
    (`no-image`) to quarantine; gives how many files. Raises StoreUnavailable; what was moved stays moved.

    A kill at any line loses nothing: the copy and its reason come first, then the record, and the original
    leaves last; the next call ends what one began.
    """
    with context.database.session() as session:
        rows = session.scalars(
            select(FileRow).where(
                FileRow.brand == brand,
                FileRow.settled.is_(False),
                FileRow.kind.in_([IMAGE, ANNOTATION]),
                FileRow.state.in_([RECEIVED, QUARANTINED]),
            )
        ).all()
    moved = 0
    for row in rows:
        if row.state == QUARANTINED:
            if row.code in MOVED:
                _remove_original(context, row)
        elif is_ingested(row):
            moved += _move(context, row)
        else:
            _give_up_vanished(context, row)
    return moved


def _give_up_vanished(context: Context, row: FileRow) -> None:
    """Marks a file that left the inbox before it was read: deleted or overwritten there, or never stored
    because the process died."""
    stored = context.store.stat(UPLOADS, upload_key(row))
    if row.created_at > utc_now() - CLAIM_LASTS or (stored is not None and stored.etag == row.etag):
        return
    with context.database.session() as session:
        lock_brand(session, row.brand)
        now = session.get(FileRow, row.id)
        if now is not None and now.state == RECEIVED and not is_ingested(now):
            refuse(now, "vanished", "The file left the inbox before it could be read. Upload it again.")
            now.settled = True


def _move(context: Context, row: FileRow) -> bool:
    code, reason = _explain(row)
    _keep(context, row, code, reason)
    with context.database.session() as session:
        lock_brand(session, row.brand)
        now = session.get(FileRow, row.id)
        alone = now is not None and now.state == RECEIVED and is_ingested(now)
        if now is not None and alone:
            now.state, now.code, now.reason = QUARANTINED, code, reason
            _give_up_image(session, now)
    if not alone:
        # Its other half came in between. One that another process gave up meanwhile needs this copy.
        if now is None or now.state != QUARANTINED:
            delete_quarantined(context.store, row, keep_original=False)
        return False
    _remove_original(context, row)
    log.info("quarantined", key=upload_key(row), code=code)
    return True


def _explain(row: FileRow) -> tuple[str, str]:
    if row.kind == IMAGE:
        return UNANNOTATED, (
            f"No annotation came for this photo. Upload {row.stem + '.json'!r} into the upload "
            f"{row.upload!r}, and the photo is taken up again."
        )
    return NO_IMAGE, (
        f"No photo came for this annotation. Upload {row.stem!r} as .jpg, .png or another image into the "
        f"upload {row.upload!r}, and both are taken up again."
    )


def _keep(context: Context, row: FileRow, code: str, reason: str) -> None:
    target = quarantined_key(row)
    stored = context.store.stat(UPLOADS, upload_key(row))
    if stored is not None and stored.etag == row.etag:
        try:
            context.store.copy((UPLOADS, upload_key(row)), (QUARANTINE, target))
        except NotFound:
            log.info("moved by another process", key=upload_key(row))
    told = {
        "code": code,
        "reason": reason,
        "brand": row.brand,
        "upload": row.upload,
        "name": row.name,
        "etag": row.etag,
        "at": utc_now().isoformat(),
    }
    context.store.put_json(QUARANTINE, reason_key(target), told)


def _give_up_image(session: Session, row: FileRow) -> None:
    if row.kind != IMAGE or row.sha256 is None:
        return
    image = session.get(ImageRow, (row.brand, row.sha256))
    if image is not None and image.state == RECEIVED:
        image.state, image.code, image.reason = QUARANTINED, row.code, row.reason


def _remove_original(context: Context, row: FileRow) -> None:
    stored = context.store.stat(UPLOADS, upload_key(row))
    if stored is not None and stored.etag == row.etag:
        context.store.delete(UPLOADS, upload_key(row))
    with context.database.session() as session:
        now = session.get(FileRow, row.id)
        if now is not None and now.state == QUARANTINED and now.code in MOVED:
            now.settled = True


def _list_sources(context: Context, brand: str) -> Iterator[list[Source]]:
    listed = (
        Source(brand=key.brand, upload=key.upload, name=key.name, etag=stored.etag, size=stored.size)
        for stored in context.store.list(UPLOADS, f"{brand}/")
        if not stored.key.endswith("/")
        and (key := parse_upload_key(stored.key)) is not None
        # Verifying never ends, and training has not to wait for it.
        and key.upload != KEPT_PICTURES
    )
    while batch := list(islice(listed, BATCH)):
        yield batch
