"""Pairing an image with the annotation file of the same upload and stem, whichever comes first.

All of it runs under `files.lock_brand`, so the two halves cannot miss each other. What a transaction decides
is carried out in the store afterwards (`carry_out`); it is derived from the rows, so a repeat does it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from assay_registry.context import Context
from assay_registry.files import (
    ACCEPTED,
    ANNOTATION,
    DUPLICATE_NAME,
    IMAGE,
    MOVED,
    NO_IMAGE,
    QUARANTINED,
    RECEIVED,
    UNANNOTATED,
    accept,
    delete_quarantined,
    refuse,
)
from assay_registry.labels import ensure_labels
from assay_registry.models import FileRow, ImageRow
from assay_registry.unpaired import count_pending, quarantine_unpaired
from assay_shared.annotations import AnnotationRefused, check_against_picture, parse_annotation, to_document
from assay_shared.keys import IMAGES, annotation_key
from assay_shared.wire import Annotation

__all__ = ["Pairing", "carry_out", "count_pending", "pair", "quarantine_unpaired", "write_mirror"]

_ANOTHERS = (
    "{name!r} came after a second photo of its name, which was refused, so nobody can tell which photo its "
    "boxes belong to: send both under another name, or set right the first photo's boxes through the API"
)


@dataclass
class Pairing:
    """What pairing found: the files of the stem, others that waited for the same image, the image."""

    files: Sequence[FileRow]
    others: Sequence[FileRow] = field(default_factory=list)
    image: ImageRow | None = None


def pair(session: Session, brand: str, upload: str, stem: str) -> Pairing:
    """Pairs what has arrived of one stem: the image with the newest annotation file.

    The image becomes accepted, or the annotation is refused because it contradicts the picture.
    """
    session.flush()
    files = session.scalars(
        select(FileRow)
        .where(FileRow.brand == brand, FileRow.upload == upload, FileRow.stem == stem)
        .order_by(FileRow.id)
    ).all()
    pictures = [row for row in files if row.kind == IMAGE and row.sha256 and _counts(row, UNANNOTATED)]
    documents = [
        row for row in files if row.kind == ANNOTATION and row.document is not None and _counts(row, NO_IMAGE)
    ]
    if not pictures:
        return Pairing(files)
    # One that was given up only counts when none has come since.
    picture = min(pictures, key=lambda row: (row.state == QUARANTINED, row.id))
    image = session.get_one(ImageRow, (brand, picture.sha256))
    if not documents:
        return Pairing(files, image=image)
    newest = documents[-1]
    if newest.state == ACCEPTED and image.state == ACCEPTED:
        return Pairing(files, image=image)
    if image.state == ACCEPTED and _is_anothers(newest, files):
        refuse(newest, DUPLICATE_NAME, _ANOTHERS.format(name=newest.name))
        return Pairing(files, image=image)
    try:
        boxes = _read_boxes(newest, image)
    except AnnotationRefused as refusal:
        refuse(newest, refusal.code, refusal.detail)
        return Pairing(files, image=image)
    for row in documents:
        accept(row)
    others = accept_image(session, image, boxes)
    return Pairing(files, others, image)


def accept_image(session: Session, image: ImageRow, boxes: list[Annotation]) -> list[FileRow]:
    """Gives an image its annotation; the files that waited for it are accepted, and returned."""
    ensure_labels(session, image.brand, (box.label for box in boxes))
    image.annotations = [box.model_dump(mode="json") for box in boxes]
    image.state, image.code, image.reason = ACCEPTED, None, None
    session.flush()
    waiting = [
        row
        for row in session.scalars(
            select(FileRow).where(
                FileRow.brand == image.brand, FileRow.sha256 == image.sha256, FileRow.state != ACCEPTED
            )
        )
        if _counts(row, UNANNOTATED)
    ]
    for row in waiting:
        accept(row)
    return waiting


def carry_out(context: Context, pairing: Pairing) -> None:
    """Does in the store what pairing decided: writes the image's annotation beside it, and takes away the
    copies in quarantine of files that are accepted after all. Raises StoreUnavailable; repeat it then."""
    if pairing.image is not None and pairing.image.state == ACCEPTED:
        write_mirror(context, pairing.image)
    release(context, [*pairing.files, *pairing.others])


def write_mirror(context: Context, image: ImageRow) -> None:
    """Writes the annotation of an accepted image beside it in bucket `images`; again if it has changed in
    between, so that the newest stays."""
    key, written = annotation_key(image.brand, image.sha256), None
    now: ImageRow | None = image
    while now is not None and (written is None or written != (now.annotations or [])):
        written = now.annotations or []
        boxes = [Annotation.model_validate(box) for box in written]
        document = to_document(boxes, now.width, now.height, f"{now.sha256}.{now.extension}")
        context.store.put_json(IMAGES, key, document)
        with context.database.session() as session:
            now = session.get(ImageRow, (image.brand, image.sha256))
    if now is None:
        context.store.delete(IMAGES, key)


def release(context: Context, rows: Sequence[FileRow]) -> None:
    """Takes the copies in quarantine away of those files that are accepted after all."""
    for row in rows:
        if row.state == ACCEPTED and row.code in MOVED:
            delete_quarantined(context.store, row, keep_original=context.settings.keep_raw_uploads)
            with context.database.session() as session:
                session.execute(
                    update(FileRow)
                    .where(FileRow.id == row.id, FileRow.state == ACCEPTED)
                    .values(code=None, settled=True)
                )


def _is_anothers(document: FileRow, files: Sequence[FileRow]) -> bool:
    """Whether annotations may be those of a second photo of the name, which was refused before they came."""
    return any(row.kind == IMAGE and row.code == DUPLICATE_NAME and row.id < document.id for row in files)


def _counts(row: FileRow, given_up: str) -> bool:
    return row.state in {RECEIVED, ACCEPTED} or row.code == given_up


def _read_boxes(row: FileRow, image: ImageRow) -> list[Annotation]:
    parsed = parse_annotation(row.document or {})
    check_against_picture(parsed, image.width, image.height)
    return parsed.annotations
