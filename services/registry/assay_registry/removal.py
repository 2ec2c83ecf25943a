"""Deleting an image with everything of it: annotation, originals, copies in quarantine, records.

The records go last: if the store fails in between, the same call deletes the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from assay_registry.context import Context
from assay_registry.files import ANNOTATION, delete_quarantined, lock_brand, upload_key
from assay_registry.models import FileRow, ImageRow
from assay_registry.near_duplicates import regroup
from assay_shared.keys import IMAGES, UPLOADS, annotation_key, image_key


def remove_image(context: Context, image: ImageRow) -> None:
    """Deletes an image and all files that it came from. Raises StoreUnavailable."""
    brand, sha256 = image.brand, image.sha256
    with context.database.session() as session:
        files = list_files(session, image)
    delete_originals(context, files)
    for file in files:
        delete_quarantined(context.store, file, keep_original=False)
    context.store.delete(IMAGES, annotation_key(brand, sha256))
    context.store.delete(IMAGES, image_key(brand, sha256, image.extension))
    with context.database.session() as session:
        lock_brand(session, brand)
        found = session.get(ImageRow, (brand, sha256))
        if found is not None:
            session.execute(
                delete(FileRow).where(FileRow.id.in_([file.id for file in list_files(session, found)]))
            )
            session.delete(found)
            regroup(session, found)


def remove_file(context: Context, file: FileRow) -> None:
    """Deletes one file of an upload, not its image. Raises StoreUnavailable."""
    delete_originals(context, [file])
    delete_quarantined(context.store, file, keep_original=False)
    with context.database.session() as session:
        session.execute(delete(FileRow).where(FileRow.id == file.id))


def delete_originals(context: Context, files: Sequence[FileRow]) -> None:
    """Deletes what bucket `uploads` holds of these files. Raises StoreUnavailable."""
    for file in files:
        stored = context.store.stat(UPLOADS, upload_key(file))
        if stored is not None and stored.etag == file.etag:
            context.store.delete(UPLOADS, upload_key(file))


def list_files(session: Session, image: ImageRow) -> list[FileRow]:
    """The image's files and the annotation files of their stems."""
    pictures = session.scalars(
        select(FileRow).where(FileRow.brand == image.brand, FileRow.sha256 == image.sha256)
    ).all()
    stems = sorted({(row.upload, row.stem) for row in pictures})
    documents = session.scalars(
        select(FileRow).where(
            FileRow.brand == image.brand,
            FileRow.kind == ANNOTATION,
            tuple_(FileRow.upload, FileRow.stem).in_(stems),
        )
    ).all()
    return [*pictures, *documents]
