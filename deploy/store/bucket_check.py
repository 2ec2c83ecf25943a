"""Looks whether buckets that others made are there and may be used: AWS S3's, before anything starts."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

from minio import Minio
from minio.commonconfig import ENABLED

from assay_shared.errors import StoreUnavailable
from assay_shared.keys import BUCKETS, LIVE
from assay_shared.settings import StoreSettings
from assay_shared.storage import connect
from deploy.store.clients import explained

PROBE = "_check/"
"""An object of 0 bytes that is put and deleted. It ends in a slash, so no event and no scan takes it for an
upload."""


def find_faults(settings: StoreSettings) -> Iterator[str]:
    """A line for each bucket that is missing and each right that this account lacks, all of them; none where
    all is well."""
    client = connect(settings)
    for bucket in BUCKETS:
        name = settings.name_bucket(bucket)
        for right, call in _list_tries(client, name, bucket):
            try:
                with explained(f"bucket {name}: {right}"):
                    call()
            except StoreUnavailable as refusal:
                yield refusal.detail
                if refusal.extra.get("code") == "NoSuchBucket":
                    break


def _list_tries(client: Minio, name: str, bucket: str) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "s3:ListBucket", lambda: next(client.list_objects(name), None)
    yield "s3:PutObject", lambda: client.put_object(name, PROBE, io.BytesIO(b""), 0)
    yield "s3:GetObject", lambda: client.stat_object(name, PROBE)
    yield "s3:DeleteObject", lambda: client.remove_object(name, PROBE)
    if bucket == LIVE:
        yield "versioning", lambda: _check_versions(client, name)


def _check_versions(client: Minio, name: str) -> None:
    if client.get_bucket_versioning(name).status != ENABLED:
        raise StoreUnavailable(f"bucket {name}: versioning is not enabled, so an overwritten pointer is lost")
