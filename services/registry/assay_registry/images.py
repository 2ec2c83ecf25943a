"""Images of a brand: looking at them, setting right their annotations, deleting them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session
from urllib3 import BaseHTTPResponse

from assay_registry.context import Context, ContextDep, PrincipalDep, find_brand
from assay_registry.files import ANNOTATION, delete_quarantined, lock_brand, upload_key
from assay_registry.models import FileRow, ImageRow
from assay_registry.paging import Paging, paginate
from assay_registry.pairing import accept_image, release, write_mirror
from assay_shared.annotations import check_against_picture, parse_annotation, to_document
from assay_shared.auth import Scope
from assay_shared.errors import NotFound
from assay_shared.keys import IMAGES, UPLOADS, annotation_key, image_key
from assay_shared.wire import Annotation, Image, Page

CONTENT_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
CHUNK = 1 << 18
State = Literal["received", "accepted", "quarantined"]

router = APIRouter(prefix="/v1/brands/{brand}/images", tags=["images"])


@router.get("", summary="List images")
def list_images(
    context: ContextDep, principal: PrincipalDep, brand: str, paging: Paging, state: State | None = None
) -> Page[Image]:
    """The brand's images by their hash, of one state if it is given."""
    principal.require(brand)
    query = select(ImageRow).where(ImageRow.brand == brand)
    if state is not None:
        query = query.where(ImageRow.state == state)
    with context.database.session() as session:
        find_brand(session, brand)
        rows, cursor = paginate(session, query, ImageRow.sha256, paging, newest_first=False)
    return Page(items=[_describe(row) for row in rows], next_cursor=cursor)


@router.get("/{sha256}", summary="Show an image")
def show_image(context: ContextDep, principal: PrincipalDep, brand: str, sha256: str) -> Image:
    """An image's record with its annotation."""
    principal.require(brand)
    with context.database.session() as session:
        return _describe(_find(session, brand, sha256))


@router.get("/{sha256}/content", response_class=Response, summary="Fetch an image")
def show_content(
    request: Request, context: ContextDep, principal: PrincipalDep, brand: str, sha256: str
) -> Response:
    """The sanitised image itself."""
    principal.require(brand)
    with context.database.session() as session:
        row = _find(session, brand, sha256)
    headers = {
        "ETag": f'"{sha256}"',
        "Cache-Control": "private, max-age=86400",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": f'inline; filename="{sha256}.{row.extension}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    opened = context.store.open(IMAGES, image_key(brand, sha256, row.extension))
    stream = opened.__enter__()
    media_type = CONTENT_TYPES.get(row.extension, "application/octet-stream")
    return StreamingResponse(_read(opened, stream), media_type=media_type, headers=headers)


@router.get("/{sha256}/annotation", summary="Show an image's annotation")
def show_annotation(context: ContextDep, principal: PrincipalDep, brand: str, sha256: str) -> dict[str, Any]:
    """The annotation in the form of an annotation file."""
    principal.require(brand)
    with context.database.session() as session:
        row = _find(session, brand, sha256)
    if row.annotations is None:
        raise NotFound(f"The image {sha256} has no annotation yet")
    return _document(row)


@router.put("/{sha256}/annotation", summary="Set an image's annotation")
def put_annotation(
    context: ContextDep, principal: PrincipalDep, brand: str, sha256: str, body: dict[str, Any]
) -> dict[str, Any]:
    """Takes an annotation in the form of an annotation file, checked against the picture; 422 names the
    entry that is wrong. An image that waited for one becomes accepted. Needs the scope `upload`."""
    principal.require(brand, Scope.UPLOAD)
    parsed = parse_annotation(body)
    with context.database.session() as session:
        lock_brand(session, brand)
        row = _find(session, brand, sha256)
        check_against_picture(parsed, row.width, row.height)
        waited = accept_image(session, row, parsed.annotations)
    write_mirror(context, row)
    release(context, waited)
    if not context.settings.keep_raw_uploads:
        _delete_originals(context, waited)
    return _document(row)


@router.delete("/{sha256}", status_code=204, summary="Delete an image")
def delete_image(context: ContextDep, principal: PrincipalDep, brand: str, sha256: str) -> None:
    """Deletes an image with its annotation, originals and records. A dataset version that lists it keeps its
    record but can no longer be trained on. Needs the scope `manage`."""
    principal.require(brand, Scope.MANAGE)
    with context.database.session() as session:
        row = _find(session, brand, sha256)
        files = _list_files(session, row)
    # The record goes last: if the store fails in between, the same request deletes the rest.
    _delete_originals(context, files)
    for file in files:
        delete_quarantined(context.store, file, keep_original=False)
    context.store.delete(IMAGES, annotation_key(brand, sha256))
    context.store.delete(IMAGES, image_key(brand, sha256, row.extension))
    with context.database.session() as session:
        lock_brand(session, brand)
        found = session.get(ImageRow, (brand, sha256))
        if found is not None:
            session.execute(
                delete(FileRow).where(FileRow.id.in_([file.id for file in _list_files(session, found)]))
            )
            session.delete(found)
            _regroup(session, found)


def _read(opened: AbstractContextManager[BaseHTTPResponse], stream: BaseHTTPResponse) -> Iterator[bytes]:
    # Opened before the answer begins, so that an image that is missing is a 404; closed when it ends.
    try:
        yield from stream.stream(CHUNK)
    finally:
        opened.__exit__(None, None, None)


def _find(session: Session, brand: str, sha256: str) -> ImageRow:
    row = session.get(ImageRow, (brand, sha256))
    if row is None:
        raise NotFound(f"There is no image {sha256!r}")
    return row


def _list_files(session: Session, image: ImageRow) -> list[FileRow]:
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


def _regroup(session: Session, gone: ImageRow) -> None:
    """The near-duplicates of a deleted image are grouped around the oldest of them."""
    group = session.scalars(
        select(ImageRow)
        .where(ImageRow.brand == gone.brand, ImageRow.near_duplicate_of == gone.sha256)
        .order_by(ImageRow.created_at, ImageRow.sha256)
    ).all()
    for row in group:
        row.near_duplicate_of = group[0].sha256 if row is not group[0] else None


def _delete_originals(context: Context, files: list[FileRow]) -> None:
    for file in files:
        stored = context.store.stat(UPLOADS, upload_key(file))
        if stored is not None and stored.etag == file.etag:
            context.store.delete(UPLOADS, upload_key(file))


def _document(row: ImageRow) -> dict[str, Any]:
    boxes = [Annotation.model_validate(box) for box in row.annotations or []]
    return to_document(boxes, row.width, row.height, f"{row.sha256}.{row.extension}")


def _describe(row: ImageRow) -> Image:
    return Image.model_validate(
        {
            "sha256": row.sha256,
            "extension": row.extension,
            "width": row.width,
            "height": row.height,
            "state": row.state,
            "code": row.code,
            "reason": row.reason,
            "upload": row.upload,
            "name": row.name,
            "near_duplicate_of": row.near_duplicate_of,
            "split": row.split,
            "annotations": row.annotations,
            "created_at": row.created_at,
        }
    )
