"""What the parts tell each other through the queue (design, section 4)."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ObjectCreated(BaseModel):
    """One object has arrived in a bucket, whatever told of it: MinIO, AWS S3, or the reconcile scan.

    `bucket` is Assay's own name of it; as read from a notification, the store's. Every effect of it is
    idempotent by (bucket, key, etag). `sequencer` orders events of one key
    (hex, compare left-padded); the scan has none.
    """

    model_config = ConfigDict(frozen=True)

    bucket: str
    key: str
    etag: str
    size: int
    sequencer: str = ""
    request_id: str = ""
