"""Objects from the store into an archive: small ones several at a time, large ones in streams."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import urllib3
from minio import Minio

from assay_shared.errors import NotFound, StoreUnavailable
from assay_shared.settings import StoreSettings
from assay_shared.storage import ABSENT, StoredObject, connect
from deploy.store.archive import ArchiveWriter, member_name
from deploy.store.clients import explained
from deploy.store.manifest import ObjectEntry
from deploy.store.parallel import in_order

SMALL = 4 << 20
"""Objects of up to this many bytes are fetched ahead into memory, 16 at most."""
ATTEMPTS = 3


@dataclass(frozen=True)
class _Client:
    minio: Minio
    settings: StoreSettings


@dataclass(frozen=True)
class _Head:
    size: int
    etag: str
    content_type: str


class _Body:
    """The bytes as they are stored: urllib3 would unpack what says `Content-Encoding: gzip`."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response

    def read(self, size: int, /) -> bytes:
        return self._response.read(size, decode_content=False)


def add_objects(
    archive: ArchiveWriter, settings: StoreSettings, objects: Iterable[tuple[StoredObject, str]]
) -> Iterator[ObjectEntry]:
    """Appends objects, each with the folder of its member; gives an entry for each that is still there.

    Content types are kept; other metadata that a foreign client may have set is not: Assay uses none.
    Raises StoreUnavailable with the object's name.
    """
    client = _Client(connect(settings), settings)

    def fetch(item: tuple[StoredObject, str]) -> tuple[StoredObject, str, _Head | None, bytes | None]:
        found, folder = item
        try:
            with _opened(client, found) as (head, body):
                # What breaks off here is read again below.
                with suppress(urllib3.exceptions.HTTPError):
                    return found, folder, head, body.read(head.size) if head.size <= SMALL else None
                return found, folder, head, None
        except NotFound:
            return found, folder, None, None

    for found, folder, head, data in in_order(fetch, objects):
        name = member_name(folder, found.bucket, found.key)
        if head is None:
            continue
        if data is not None:
            sha256 = archive.add(name, io.BytesIO(data), head.size)
        else:
            try:
                head, sha256 = _add_large(archive, client, found, name)
            except NotFound:
                continue
        yield ObjectEntry(
            bucket=found.bucket,
            key=found.key,
            size=head.size,
            etag=head.etag,
            content_type=head.content_type,
            part_size=_find_part_size(client, found) if "-" in head.etag else None,
            sha256=sha256,
            member=name,
        )


def _add_large(archive: ArchiveWriter, client: _Client, found: StoredObject, name: str) -> tuple[_Head, str]:
    """Streams an object; a connection that breaks hours into a backup must not end it."""
    attempt = 1
    while True:
        with _opened(client, found) as (head, body):
            try:
                return head, archive.add(name, body, head.size)
            except urllib3.exceptions.HTTPError as error:
                if attempt == ATTEMPTS:
                    raise StoreUnavailable(
                        f"Reading {found.bucket}/{found.key} breaks off: {error}"
                    ) from error
                attempt += 1


@contextmanager
def _opened(client: _Client, found: StoredObject) -> Iterator[tuple[_Head, _Body]]:
    """An object as it is now, which may be another than the one that was listed."""
    with explained(f"Reading {found.bucket}/{found.key}"):
        try:
            response = client.minio.get_object(client.settings.name_bucket(found.bucket), found.key)
        except Exception as error:
            if getattr(error, "code", None) in ABSENT:
                raise NotFound(f"There is no object {found.bucket}/{found.key}") from error
            raise
    try:
        headers = response.headers
        yield (
            _Head(
                size=int(headers["Content-Length"]),
                etag=headers.get("ETag", "").strip('"'),
                content_type=headers.get("Content-Type", "application/octet-stream"),
            ),
            _Body(response),
        )
    finally:
        response.close()
        response.release_conn()


def _find_part_size(client: _Client, found: StoredObject) -> int | None:
    """The size of an object's first part: with the same parts, a restored object has the same etag."""
    with explained(f"Reading {found.bucket}/{found.key}"):
        try:
            return client.minio.stat_object(
                client.settings.name_bucket(found.bucket), found.key, extra_query_params={"partNumber": "1"}
            ).size
        except Exception as error:
            if getattr(error, "code", None) in ABSENT:
                return None
            raise
