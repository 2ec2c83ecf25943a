"""Bucket `uploads`: reading originals, and taking them away when nothing needs them there any more."""

from __future__ import annotations

from assay_ingest.clients import Clients
from assay_shared.errors import NotFound
from assay_shared.keys import UPLOADS, UploadKey
from assay_shared.storage import StoredObject
from assay_shared.wire import Source


def key_of(source: Source) -> str:
    """The key of a source in bucket `uploads`."""
    return str(UploadKey(source.brand, source.upload, source.name))


def find_source(clients: Clients, upload: UploadKey, request_id: str) -> Source | None:
    """The source that lies at this key now, or None when there is none (any more)."""
    stored = clients.store.stat(UPLOADS, str(upload))
    return make_source(upload, stored, request_id) if stored else None


def make_source(upload: UploadKey, stored: StoredObject, request_id: str = "") -> Source:
    """The source of a stored object."""
    return Source(
        brand=upload.brand,
        upload=upload.upload,
        name=upload.name,
        etag=stored.etag,
        size=stored.size,
        request_id=request_id,
    )


def read_source(clients: Clients, source: Source, limit: int) -> tuple[Source, bytes] | None:
    """The bytes of a source, at most `limit`, and the source with the etag and size of exactly these bytes,
    for it may have been overwritten since; None when it is gone."""
    try:
        with clients.store.open(UPLOADS, key_of(source)) as stream:
            data = stream.read(limit)
            etag = stream.headers.get("ETag", "").strip('"')
    except NotFound:
        return None
    return source.model_copy(update={"etag": etag or source.etag, "size": len(data)}), data


def delete_source(clients: Clients, source: Source) -> None:
    """Deletes an original, but only if it is still the one that was handled and not a newer one of its name.

    Between the look and the deletion lie milliseconds in which a third one could come; S3 has no deletion
    under a condition that MinIO and SeaweedFS know as well.
    """
    stored = clients.store.stat(UPLOADS, key_of(source))
    if stored and stored.etag == source.etag:
        clients.store.delete(UPLOADS, key_of(source))
