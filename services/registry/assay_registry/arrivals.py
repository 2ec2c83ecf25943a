"""What `ingest` tells of a file becomes rows here, and its answer: what to do with which original.

Every effect is idempotent by (brand, upload, name, etag), and the answer is derived from the rows, so that a
worker that died before carrying it out gets the same again.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from assay_registry.context import Context
from assay_registry.files import (
    ACCEPTED,
    ANNOTATION,
    ARCHIVE,
    DUPLICATE_NAME,
    IMAGE,
    KEPT,
    MOVED,
    QUARANTINED,
    RECEIVED,
    accept,
    ensure_file,
    ensure_files,
    find_files,
    is_ingested,
    kind_of,
    lock_brand,
    refuse,
    revive,
    source_of,
)
from assay_registry.kept_pictures import apply_review, offer
from assay_registry.models import FileRow, ImageRow
from assay_registry.near_duplicates import find_near_duplicate
from assay_registry.pairing import Pairing, carry_out, pair
from assay_shared.annotations import AnnotationRefused, parse_annotation
from assay_shared.keys import KEPT_PICTURES
from assay_shared.wire import (
    AnnotationArrival,
    ArchiveArrival,
    Arrival,
    ImageArrival,
    QuarantineArrival,
    Refusal,
    Source,
)


def record_image(context: Context, arrival: ImageArrival) -> Arrival:
    """Records a sanitised image and pairs it; the picture of a verification pairs with nothing. Raises
    NotFound for an unknown brand, StoreUnavailable."""
    source = arrival.source
    with context.database.session() as session:
        lock_brand(session, source.brand)
        row = ensure_file(session, source, IMAGE)
        if source.upload == KEPT_PICTURES:
            _keep_picture(session, row, arrival)
            return _answer(row, Pairing([row]))
        if row.state != ACCEPTED:
            revive(row)
            clash = _find_clash(session, row, arrival.sha256)
            if clash is None:
                row.sha256 = arrival.sha256
                _take_image(session, row, arrival)
            else:
                refuse(row, DUPLICATE_NAME, _explain_clash(row, clash))
        pairing = pair(session, row.brand, row.upload, row.stem)
        answer = _answer(row, pairing)
    carry_out(context, pairing)
    return answer


def record_annotation(context: Context, arrival: AnnotationArrival) -> Arrival:
    """Records an annotation file and pairs it. Raises NotFound for an unknown brand, StoreUnavailable."""
    source = arrival.source
    with context.database.session() as session:
        lock_brand(session, source.brand)
        row = ensure_file(session, source, ANNOTATION)
        if row.state != ACCEPTED:
            revive(row)
            try:
                parse_annotation(arrival.document)
            except AnnotationRefused as refusal:
                refuse(row, refusal.code, refusal.detail)
            else:
                row.document = arrival.document
        pairing = pair(session, row.brand, row.upload, row.stem)
        answer = _answer(row, pairing)
    carry_out(context, pairing)
    return answer


def record_quarantine(context: Context, arrival: QuarantineArrival) -> Arrival:
    """Records that an original was refused and lies in quarantine. Raises NotFound for an unknown brand."""
    source = arrival.source
    with context.database.session() as session:
        lock_brand(session, source.brand)
        row = ensure_file(session, source, kind_of(source.name))
        if row.state == ACCEPTED:
            return Arrival(state="accepted", settled=[source_of(row)])
        refuse(row, arrival.code, arrival.reason)
        row.settled = True
        _give_up_image(session, row)
    return Arrival(state="quarantined", code=arrival.code, reason=arrival.reason)


def record_archive(context: Context, arrival: ArchiveArrival) -> Arrival:
    """Records that an archive was unpacked; its members are files of their own from now on. Raises NotFound
    for an unknown brand."""
    with context.database.session() as session:
        lock_brand(session, arrival.source.brand)
        row = ensure_file(session, arrival.source, ARCHIVE)
        ensure_files(session, arrival.members)
        row.code = None
        accept(row)
        if arrival.ignored:
            names = ", ".join(repr(name) for name in arrival.ignored[:20])
            row.reason = f"Files inside that are neither pictures nor annotations were left out: {names}"
        return Arrival(state="accepted", reason=row.reason, settled=[source_of(row)])


def select_unknown(context: Context, sources: Sequence[Source]) -> list[Source]:
    """Those of these raw objects that `ingest` must still do something with: they were never read, or their
    originals were to leave the inbox and are still there."""
    with context.database.session() as session:
        known = find_files(session, sources) if sources else {}
    return [
        source
        for source in sources
        if _is_undone(
            known.get((source.brand, source.upload, source.name, source.etag)),
            keeps_raw=context.settings.keep_raw_uploads,
        )
    ]


def _is_undone(row: FileRow | None, *, keeps_raw: bool) -> bool:
    if row is None or not is_ingested(row):
        return True
    if row.state == ACCEPTED:
        return not keeps_raw or row.upload == KEPT_PICTURES
    # The registry itself takes away what it gave up, in `quarantine_unpaired`.
    return row.state == QUARANTINED and (row.code not in MOVED or row.settled)


def _find_clash(session: Session, row: FileRow, sha256: str) -> FileRow | None:
    """A file of the same stem that is another picture."""
    return session.scalars(
        select(FileRow)
        .where(
            FileRow.brand == row.brand,
            FileRow.upload == row.upload,
            FileRow.stem == row.stem,
            FileRow.kind == IMAGE,
            FileRow.id != row.id,
            FileRow.sha256.is_not(None),
            FileRow.sha256 != sha256,
            FileRow.state.in_([RECEIVED, ACCEPTED]),
        )
        .limit(1)
    ).first()


def _explain_clash(row: FileRow, clash: FileRow) -> str:
    return (
        f"The upload {row.upload!r} holds another photo as {clash.name!r} already, and one annotation cannot "
        f"belong to both. Upload {row.name!r} under another name, or into a new upload."
    )


def _keep_picture(session: Session, row: FileRow, arrival: ImageArrival) -> None:
    """The picture of a verification is done with its original, and waits for its review."""
    row.sha256 = arrival.sha256
    if session.get(ImageRow, (row.brand, arrival.sha256)) is None:
        session.add(_make_image(row, arrival, KEPT))
    accept(row)
    session.flush()
    apply_review(session, row.brand, row.stem)


def _take_image(session: Session, row: FileRow, arrival: ImageArrival) -> None:
    image = session.get(ImageRow, (row.brand, arrival.sha256))
    if image is None:
        near = find_near_duplicate(session, row.brand, arrival.sha256, arrival.perceptual_hash)
        session.add(_make_image(row, arrival, RECEIVED, near))
        return
    if image.state == KEPT:
        # What a verification showed is offered by the brand itself now.
        offer(session, image)
        image.upload, image.name, image.stem = row.upload, row.name, row.stem
    if image.state == QUARANTINED:
        image.state, image.code, image.reason = RECEIVED, None, None
    session.flush()
    earlier = session.scalar(
        select(FileRow.id)
        .where(
            FileRow.brand == row.brand,
            FileRow.upload != KEPT_PICTURES,
            FileRow.sha256 == arrival.sha256,
            FileRow.id < row.id,
            FileRow.state.in_([RECEIVED, ACCEPTED]),
        )
        .limit(1)
    )
    if image.state == ACCEPTED or earlier is not None:
        accept(row)


def _make_image(row: FileRow, arrival: ImageArrival, state: str, near: str | None = None) -> ImageRow:
    return ImageRow(
        brand=row.brand,
        sha256=arrival.sha256,
        extension=arrival.extension,
        width=arrival.width,
        height=arrival.height,
        perceptual_hash=arrival.perceptual_hash,
        near_duplicate_of=near,
        method=arrival.method,
        state=state,
        upload=row.upload,
        name=row.name,
        stem=row.stem,
        split=arrival.split,
    )


def _give_up_image(session: Session, row: FileRow) -> None:
    """An image whose only file was refused after all is refused with it."""
    if row.sha256 is None:
        return
    session.flush()
    image = session.get(ImageRow, (row.brand, row.sha256))
    other = session.scalar(
        select(FileRow.id)
        .where(FileRow.brand == row.brand, FileRow.sha256 == row.sha256, FileRow.state != QUARANTINED)
        .limit(1)
    )
    if image is not None and image.state == RECEIVED and other is None:
        image.state, image.code, image.reason = QUARANTINED, row.code, row.reason


def _answer(row: FileRow, pairing: Pairing) -> Arrival:
    files = {file.id: file for file in [row, *pairing.files, *pairing.others]}.values()
    refused = [
        Refusal(source=source_of(file), code=file.code or "refused", reason=file.reason or "")
        for file in files
        if file.state == QUARANTINED and not file.settled and file.code not in MOVED
    ]
    told = row.state == QUARANTINED
    return Arrival.model_validate(
        {
            "state": row.state,
            "code": row.code if told else None,
            "reason": row.reason if told else None,
            "settled": [source_of(file) for file in files if file.state == ACCEPTED],
            "refused": refused,
        }
    )
