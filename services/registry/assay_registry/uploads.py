"""Uploads over HTTP: a file is streamed to disk, claimed in the database, stored, and only then acknowledged.

The claim comes before the store so that two files of one name at once cannot overwrite each other there.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from sqlalchemy import case, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from starlette.requests import ClientDisconnect

from assay_registry.context import Context, ContextDep, PrincipalDep, find_brand
from assay_registry.files import (
    ANNOTATION,
    CLAIM_LASTS,
    IMAGE,
    QUARANTINED,
    RECEIVED,
    ensure_file,
    is_ingested,
    kind_of,
    lock_brand,
    revive,
    upload_key,
)
from assay_registry.idempotency import IdempotencyKey, make_fingerprint, replay_or_run
from assay_registry.models import FileRow, UploadRow
from assay_registry.paging import Paging, paginate
from assay_shared import logs
from assay_shared.auth import Scope
from assay_shared.errors import AssayError, BrokerUnavailable, Conflict, InvalidRequest, NotFound, TooLarge
from assay_shared.events import ObjectCreated
from assay_shared.ids import new_id, utc_now
from assay_shared.keys import KEPT_PICTURES, UPLOADS, UploadKey
from assay_shared.queue import INGEST_OBJECT
from assay_shared.storage import StoredObject
from assay_shared.wire import Page, Source, Upload, UploadedFile

MAX_KEY_BYTES = 1_024
"""Of a key in S3 (Amazon S3 user guide, "Naming objects")."""
MAX_PART_BYTES = 255
"""Of a file name in the file systems under MinIO and SeaweedFS."""
FILES_SHOWN = 1_000
IN_MEMORY = 1 << 20
PART = 5 << 20
"""Bytes of a part in which the `minio` client stores a larger file (up to 50 GB)."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

router = APIRouter(prefix="/v1/brands/{brand}/uploads", tags=["uploads"])
log = logs.get_logger(__name__)


@dataclass(frozen=True)
class Body:
    """A file as it came: an open file on disk or in memory, its size in bytes, and the etag that the store
    will give it, unless it encrypts."""

    file: BinaryIO
    size: int
    etag: str


class Etag:
    """S3's etag of a file: its MD5, or of one in several parts the MD5 of their MD5s."""

    def __init__(self) -> None:
        self._done = hashlib.md5(usedforsecurity=False)
        self._parts = 0
        self._part = hashlib.md5(usedforsecurity=False)
        self._room = PART

    def update(self, data: bytes) -> None:
        """Takes the next bytes of the file."""
        view = memoryview(data)
        while view:
            if self._room == 0:
                self._end_part()
            taken, view = view[: self._room], view[self._room :]
            self._part.update(taken)
            self._room -= len(taken)

    def get(self) -> str:
        """The etag of all that was taken. Ends the taking."""
        if not self._parts:
            return self._part.hexdigest()
        self._end_part()
        return f"{self._done.hexdigest()}-{self._parts}"

    def _end_part(self) -> None:
        self._done.update(self._part.digest())
        self._parts += 1
        self._part, self._room = hashlib.md5(usedforsecurity=False), PART


@router.post("", status_code=201, response_model=Upload, summary="Begin an upload")
def create_upload(
    request: Request, context: ContextDep, principal: PrincipalDep, brand: str, key: IdempotencyKey = None
) -> Response:
    """Makes an upload to put files into. Needs the scope `upload`."""
    principal.require(brand, Scope.UPLOAD)
    return replay_or_run(
        context, key, principal, make_fingerprint(request), lambda: (201, _create(context, brand))
    )


@router.get("", summary="List uploads")
def list_uploads(context: ContextDep, principal: PrincipalDep, brand: str, paging: Paging) -> Page[Upload]:
    """The brand's uploads with their counts, without their files."""
    principal.require(brand)
    with context.database.session() as session:
        find_brand(session, brand)
        query = select(UploadRow).where(UploadRow.brand == brand)
        rows, cursor = paginate(session, query, UploadRow.id, paging)
        counted = session.execute(
            select(FileRow.upload, FileRow.state, func.count())
            .where(FileRow.brand == brand, FileRow.upload.in_([row.id for row in rows]))
            .group_by(FileRow.upload, FileRow.state)
        ).all()
    counts: dict[str, dict[str, int]] = {}
    for upload, state, count in counted:
        counts.setdefault(upload, {})[state] = count
    items = [
        Upload(id=row.id, created_at=row.created_at, counts=counts.get(row.id, {}), files=[]) for row in rows
    ]
    return Page(items=items, next_cursor=cursor)


@router.get("/{upload}", summary="Show an upload")
def show_upload(context: ContextDep, principal: PrincipalDep, brand: str, upload: str) -> Upload:
    """How many files are in which state, and at most 1,000 files: the refused ones first, with reasons."""
    principal.require(brand)
    with context.database.session() as session:
        row = session.get(UploadRow, (brand, upload))
        if row is None:
            raise NotFound(f"There is no upload {upload!r}")
        mine = (FileRow.brand == brand, FileRow.upload == upload)
        counts = session.execute(
            select(FileRow.state, func.count()).where(*mine).group_by(FileRow.state)
        ).all()
        order = case({QUARANTINED: 0, RECEIVED: 1}, value=FileRow.state, else_=2)
        files = session.scalars(
            select(FileRow).where(*mine).order_by(order, FileRow.name, FileRow.id).limit(FILES_SHOWN)
        ).all()
    return Upload(
        id=row.id,
        created_at=row.created_at,
        counts=dict(counts),
        files=[_describe(file) for file in files],
    )


@router.put("/{upload}/files/{name:path}", status_code=202, summary="Upload one file")
async def put_file(
    request: Request, context: ContextDep, principal: PrincipalDep, brand: str, upload: str, name: str
) -> UploadedFile:
    """Takes one image, annotation file or archive (the body is the file) and answers when it is stored for
    good; `GET …/uploads/{id}` tells what came of it. The same file again is no error; another image under a
    name that is taken is (409), while an annotation file may be replaced. Needs the scope `upload`."""
    principal.require(brand, Scope.UPLOAD)
    check_name(brand, upload, name)
    await anyio.to_thread.run_sync(_check_upload, context, brand, upload)
    _check_length(context, request.headers.get("content-length"))
    with _temporary_file(context) as file:
        body = await _receive(context, request, file)
        key = UploadKey(brand, upload, name)
        return await anyio.to_thread.run_sync(_take, context, key, body)


def check_name(brand: str, upload: str, name: str) -> None:
    """Raises InvalidRequest for the reserved upload, and for a name that not every store and file system
    takes."""
    if upload == KEPT_PICTURES:
        raise InvalidRequest(
            f"The upload {upload!r} is reserved for pictures of verifications; make one of your own with "
            f"POST /v1/brands/{brand}/uploads"
        )
    shown = name if len(name) <= 100 else name[:100] + "…"
    parts = name.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        fault = "a part of it between slashes is empty, '.' or '..'"
    elif _CONTROL.search(name):
        fault = "it holds control characters"
    elif any(len(part.encode()) > MAX_PART_BYTES for part in parts):
        fault = f"a part of it between slashes is longer than {MAX_PART_BYTES} bytes"
    elif len(str(UploadKey(brand, upload, name)).encode()) > MAX_KEY_BYTES:
        fault = f"with brand and upload before it, it is longer than {MAX_KEY_BYTES} bytes"
    else:
        return
    raise InvalidRequest(f"The name {shown!r} cannot be used: {fault}. Rename the file.")


def _create(context: Context, brand: str) -> Upload:
    with context.database.session() as session:
        find_brand(session, brand)
        row = UploadRow(brand=brand, id=new_id("upl"))
        session.add(row)
        session.flush()
        return Upload(id=row.id, created_at=row.created_at, counts={}, files=[])


def _check_upload(context: Context, brand: str, upload: str) -> None:
    with context.database.session() as session:
        if session.get(UploadRow, (brand, upload)) is None:
            raise NotFound(f"There is no upload {upload!r}; make one with POST /v1/brands/{brand}/uploads")


def _check_length(context: Context, declared: str | None) -> None:
    if declared is not None and declared.isdigit():
        _check_size(context, int(declared))


def _check_size(context: Context, size: int) -> None:
    limit = context.settings.max_upload_bytes
    if size > limit:
        raise TooLarge(f"The file has more than {limit:,} bytes, which is the most that one file may have")


@contextmanager
def _temporary_file(context: Context) -> Iterator[BinaryIO]:
    # In the service's own folder: the system's may be small, or in memory.
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, dir=str(context.settings.data_dir)) as file:
        yield file  # type: ignore[misc]  # it has what a binary file has, but is not declared as one


async def _receive(context: Context, request: Request, file: BinaryIO) -> Body:
    etag, size = Etag(), 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            _check_size(context, size)
            etag.update(chunk)
            if size <= IN_MEMORY:
                file.write(chunk)
            else:
                await anyio.to_thread.run_sync(file.write, chunk)
    except ClientDisconnect as error:
        raise InvalidRequest("The connection broke before the whole file had come") from error
    return Body(file, size, etag.get())


def _take(context: Context, key: UploadKey, body: Body) -> UploadedFile:
    row, wanted = _claim(context, key, body)
    if not wanted:
        return _describe(row)
    try:
        body.file.seek(0)
        content_type = mimetypes.guess_type(key.name)[0] or "application/octet-stream"
        stored = context.store.put_stream(UPLOADS, str(key), body.file, body.size, content_type)
    except AssayError:
        _drop_claim(context, row)
        raise
    if stored.etag != row.etag:
        _correct_claim(context, row, stored)
    if context.settings.announce_uploads:
        _announce(context, stored)
    return UploadedFile(name=key.name, state="received")


def _claim(context: Context, key: UploadKey, body: Body) -> tuple[FileRow, bool]:
    """The row of this file, and whether its bytes are wanted. Raises Conflict when the name is taken."""
    kind = kind_of(key.name)
    with context.database.session() as session:
        lock_brand(session, key.brand)
        named = session.scalars(
            select(FileRow)
            .where(FileRow.brand == key.brand, FileRow.upload == key.upload, FileRow.name == key.name)
            .order_by(FileRow.id)
        ).all()
        if kind == IMAGE:
            for other in named:
                if other.etag != body.etag and other.state != QUARANTINED and not _is_stale(context, other):
                    raise Conflict(
                        f"This upload holds another image as {key.name!r} already. Use another name or a new "
                        "upload; to replace the image, delete it first"
                    )
        same = next((row for row in named if row.etag == body.etag), None)
        outdated = same is not None and kind == ANNOTATION and same is not named[-1]
        if same is not None and is_ingested(same) and same.state != QUARANTINED and not outdated:
            return same, False
        source = Source(
            brand=key.brand,
            upload=key.upload,
            name=key.name,
            etag=body.etag,
            size=body.size,
            request_id=logs.current_request_id(),
        )
        row = ensure_file(session, source, kind)
        revive(row)
        if outdated:
            # An earlier content is the newest again.
            row.id, row.state, row.document, row.settled = new_id("file"), RECEIVED, None, False
        return row, True


def _is_stale(context: Context, row: FileRow) -> bool:
    """Whether a claim's process died before its file was stored."""
    if is_ingested(row) or row.created_at > utc_now() - CLAIM_LASTS:
        return False
    stored = context.store.stat(UPLOADS, upload_key(row))
    return stored is None or stored.etag != row.etag


def _drop_claim(context: Context, row: FileRow) -> None:
    with context.database.session() as session:
        session.execute(
            delete(FileRow).where(
                FileRow.id == row.id,
                FileRow.state == RECEIVED,
                FileRow.sha256.is_(None),
                FileRow.document.is_(None),
            )
        )


def _correct_claim(context: Context, row: FileRow, stored: StoredObject) -> None:
    """An encrypting store's etags are no MD5: the row takes the store's."""
    try:
        with context.database.session() as session:
            session.execute(update(FileRow).where(FileRow.id == row.id).values(etag=stored.etag))
    except IntegrityError:
        # `ingest` has told of it already, by the store's etag.
        _drop_claim(context, row)


def _announce(context: Context, stored: StoredObject) -> None:
    event = ObjectCreated(
        bucket=stored.bucket,
        key=stored.key,
        etag=stored.etag,
        size=stored.size,
        request_id=logs.current_request_id(),
    )
    try:
        context.queue.send(INGEST_OBJECT, event.model_dump(mode="json"))
    except BrokerUnavailable as error:
        # The bucket's notification or the reconcile scan will tell of it.
        log.warning("upload not announced", key=stored.key, error=error.detail)


def _describe(row: FileRow) -> UploadedFile:
    told = row.state == QUARANTINED
    return UploadedFile.model_validate(
        {
            "name": row.name,
            "state": row.state,
            "code": row.code if told else None,
            "reason": row.reason,
            "sha256": row.sha256,
        }
    )
