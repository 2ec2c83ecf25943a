"""Images of a brand: looking at them, setting right their annotations, deleting them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import select
from sqlalchemy.orm import Session
from urllib3 import BaseHTTPResponse

from assay_registry.context import ContextDep, PrincipalDep, find_brand
from assay_registry.files import KEPT, lock_brand
from assay_registry.models import ImageRow
from assay_registry.paging import Paging, paginate
from assay_registry.pairing import accept_image, release, write_mirror
from assay_registry.proposals import find_proposal
from assay_registry.removal import delete_originals, remove_image
from assay_shared.annotations import check_against_picture, parse_annotation, to_document
from assay_shared.auth import Scope
from assay_shared.errors import Conflict, NotFound
from assay_shared.keys import IMAGES, image_key
from assay_shared.wire import Annotation, Image, ImagePatch, Page

CONTENT_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
CHUNK = 1 << 18
State = Literal["kept", "received", "accepted", "quarantined"]

router = APIRouter(prefix="/v1/brands/{brand}/images", tags=["images"])


@router.get("", summary="List images")
def list_images(
    context: ContextDep, principal: PrincipalDep, brand: str, paging: Paging, state: State | None = None
) -> Page[Image]:
    """The brand's images by their hash, of one state if it is given; without it, all but the kept pictures
    of verifications."""
    principal.require(brand)
    wanted = ImageRow.state != KEPT if state is None else ImageRow.state == state
    query = select(ImageRow).where(ImageRow.brand == brand, wanted)
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


@router.get("/{sha256}/proposal", summary="Show proposed boxes")
def show_proposal(context: ContextDep, principal: PrincipalDep, brand: str, sha256: str) -> dict[str, Any]:
    """What the live model saw in a kept picture when it was verified, in the form of an annotation file: look
    it over, mend it, and `PUT …/annotation`. 404 for an image that is no picture of a verification."""
    principal.require(brand)
    with context.database.session() as session:
        row = _find(session, brand, sha256)
        boxes = find_proposal(session, row)
    if boxes is None:
        raise NotFound(f"No verification tells of boxes in the image {sha256}")
    return to_document(boxes, row.width, row.height, f"{row.sha256}.{row.extension}")


@router.patch("/{sha256}", summary="Say what an image shows")
def patch_image(
    context: ContextDep, principal: PrincipalDep, brand: str, sha256: str, body: ImagePatch
) -> Image:
    """Marks a whole image as genuine or as a known counterfeit, or takes the mark away; the next dataset
    version has it. Needs the scope `upload`. 409 for a picture of a verification without a review."""
    principal.require(brand, Scope.UPLOAD)
    with context.database.session() as session:
        lock_brand(session, brand)
        row = _find(session, brand, sha256)
        _refuse_unreviewed(row)
        row.truth = body.truth
        return _describe(row)


@router.put("/{sha256}/annotation", summary="Set an image's annotation")
def put_annotation(
    context: ContextDep, principal: PrincipalDep, brand: str, sha256: str, body: dict[str, Any]
) -> dict[str, Any]:
    """Takes an annotation in the form of an annotation file, checked against the picture; 422 names the
    entry that is wrong. An image that waited for one becomes accepted. Needs the scope `upload`. 409 for a
    picture of a verification without a review."""
    principal.require(brand, Scope.UPLOAD)
    parsed = parse_annotation(body)
    with context.database.session() as session:
        lock_brand(session, brand)
        row = _find(session, brand, sha256)
        _refuse_unreviewed(row)
        check_against_picture(parsed, row.width, row.height)
        waited = accept_image(session, row, parsed.annotations)
    write_mirror(context, row)
    release(context, waited)
    if not context.settings.keep_raw_uploads:
        delete_originals(context, waited)
    return _document(row)


@router.delete("/{sha256}", status_code=204, summary="Delete an image")
def delete_image(context: ContextDep, principal: PrincipalDep, brand: str, sha256: str) -> None:
    """Deletes an image with its annotation, originals and records. A dataset version that lists it keeps its
    record but can no longer be trained on. Needs the scope `manage`."""
    principal.require(brand, Scope.MANAGE)
    with context.database.session() as session:
        row = _find(session, brand, sha256)
    remove_image(context, row)


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


def _refuse_unreviewed(row: ImageRow) -> None:
    if row.state == KEPT:
        raise Conflict(
            f"The image {row.sha256} is the picture of a verification that nobody has reviewed: say with "
            "POST /v1/verifications/{id}/review whether it is genuine or counterfeit, then annotate it"
        )


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
            "truth": row.truth,
            "annotations": row.annotations,
            "created_at": row.created_at,
        }
    )
