"""The rows of uploaded files: what their names say, and finding or making them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from assay_registry.models import BrandRow, FileRow, UploadRow
from assay_registry.upsert import insert_missing
from assay_shared.errors import NotFound
from assay_shared.ids import new_id, utc_now
from assay_shared.keys import QUARANTINE, UploadKey, quarantine_key, reason_key
from assay_shared.storage import ObjectStore
from assay_shared.wire import Source

RECEIVED, ACCEPTED, QUARANTINED = "received", "accepted", "quarantined"
KEPT = "kept"
"""State of an image that is the picture of a verification and was not reviewed yet."""
IMAGE, ANNOTATION, ARCHIVE, OTHER = "image", "annotation", "archive", "other"
DUPLICATE_NAME = "duplicate-name"
"""Code of a second, different photo of one name in one upload, and of annotations that may be its."""
UNANNOTATED, NO_IMAGE = "unannotated", "no-image"
MOVED = frozenset({UNANNOTATED, NO_IMAGE})
"""Codes of files that the registry itself moved to quarantine, until their other half arrives. The code
stays on an accepted file until the copy in quarantine is gone."""

CLAIM_LASTS = timedelta(minutes=10)
"""No storing of an upload lasts this long; a row without an object after it is of a process that died."""

_KINDS = {"json": ANNOTATION, "zip": ARCHIVE} | dict.fromkeys(
    ("jpg", "jpeg", "jpe", "jfif", "png", "webp", "heic", "heif", "avif", "tif", "tiff"), IMAGE
)

Identity = tuple[str, str, str, str]
"""Brand, upload, name, etag."""


def kind_of(name: str) -> str:
    """The kind of a file by its extension."""
    _, dot, extension = name.rpartition("/")[2].rpartition(".")
    return _KINDS.get(extension.lower(), OTHER) if dot else OTHER


def stem_of(name: str) -> str:
    """The name without its last extension: what pairs an image with its annotation."""
    folder, slash, file = name.rpartition("/")
    stem, dot, _ = file.rpartition(".")
    return folder + slash + (stem if dot and stem else file)


def lock_brand(session: Session, slug: str) -> None:
    """Lets one transaction at a time work on a brand's files, so that the halves of a pair see each other.

    Raises NotFound for an unknown brand.
    """
    found = session.scalar(select(BrandRow.slug).where(BrandRow.slug == slug).with_for_update(key_share=True))
    if found is None:
        raise NotFound(f"There is no brand {slug!r}")


def ensure_upload(session: Session, brand: str, upload: str) -> None:
    """Makes the upload's row unless it is there: users of S3 never announce one."""
    insert_missing(session, UploadRow, [{"brand": brand, "id": upload, "created_at": utc_now()}])


def ensure_files(session: Session, sources: Iterable[Source]) -> None:
    """Makes the rows of these files, state `received`, unless they are there."""
    rows = [
        {
            "id": new_id("file"),
            "brand": source.brand,
            "upload": source.upload,
            "name": source.name,
            "stem": stem_of(source.name),
            "etag": source.etag,
            "size": source.size,
            "kind": kind_of(source.name),
            "state": RECEIVED,
            "settled": False,
            "request_id": source.request_id,
            "created_at": utc_now(),
        }
        for source in sources
    ]
    insert_missing(session, FileRow, rows)


def ensure_file(session: Session, source: Source, kind: str) -> FileRow:
    """The row of a file, made if need be, with the kind that ingesting found. Needs `lock_brand`."""
    ensure_upload(session, source.brand, source.upload)
    ensure_files(session, [source])
    row = session.scalars(
        select(FileRow).where(
            FileRow.brand == source.brand,
            FileRow.upload == source.upload,
            FileRow.name == source.name,
            FileRow.etag == source.etag,
        )
    ).one()
    row.kind = kind
    forget_overwritten(session, row)
    if source.request_id:
        row.request_id = source.request_id
    return row


def forget_overwritten(session: Session, row: FileRow) -> None:
    """Drops the rows of earlier contents of this name that were overwritten before `ingest` could read them;
    they would be `received` for ever."""
    session.execute(
        delete(FileRow).where(
            FileRow.brand == row.brand,
            FileRow.upload == row.upload,
            FileRow.name == row.name,
            FileRow.id < row.id,
            FileRow.state == RECEIVED,
            FileRow.sha256.is_(None),
            FileRow.document.is_(None),
        )
    )


def find_files(session: Session, sources: Sequence[Source]) -> dict[Identity, FileRow]:
    """The rows of those of these files that have one."""
    names = sorted({(source.brand, source.upload, source.name) for source in sources})
    query = select(FileRow).where(tuple_(FileRow.brand, FileRow.upload, FileRow.name).in_(names))
    return {(row.brand, row.upload, row.name, row.etag): row for row in session.scalars(query)}


def is_ingested(row: FileRow | None) -> bool:
    """Whether `ingest` has read this file, whatever came of it."""
    return row is not None and (row.state != RECEIVED or row.sha256 is not None or row.document is not None)


def refuse(row: FileRow, code: str, reason: str) -> None:
    """Marks a file as quarantined; its original has yet to be moved."""
    row.state, row.code, row.reason, row.settled = QUARANTINED, code, reason, False


def accept(row: FileRow) -> None:
    """Marks a file as accepted: nothing needs its original any more."""
    row.state, row.reason = ACCEPTED, None
    if row.code not in MOVED:
        row.code, row.settled = None, True


def revive(row: FileRow) -> None:
    """Takes a quarantined file up again, for it has arrived once more."""
    if row.state == QUARANTINED:
        row.state, row.reason, row.settled = RECEIVED, None, False
        row.code = row.code if row.code in MOVED else None


def source_of(row: FileRow) -> Source:
    """The source that a file's row stands for."""
    return Source(
        brand=row.brand,
        upload=row.upload,
        name=row.name,
        etag=row.etag,
        size=row.size,
        request_id=row.request_id,
    )


def upload_key(row: FileRow) -> str:
    """Where the original lies in bucket `uploads`."""
    return str(UploadKey(row.brand, row.upload, row.name))


def quarantined_key(row: FileRow) -> str:
    """Where the original lies in bucket `quarantine`."""
    return quarantine_key(UploadKey(row.brand, row.upload, row.name), row.etag)


def delete_quarantined(store: ObjectStore, row: FileRow, *, keep_original: bool) -> None:
    """Deletes what bucket `quarantine` holds of a file, the original unless it is to be kept."""
    if not keep_original:
        store.delete(QUARANTINE, quarantined_key(row))
    store.delete(QUARANTINE, reason_key(quarantined_key(row)))
