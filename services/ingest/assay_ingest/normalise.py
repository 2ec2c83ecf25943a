"""Bucket notifications of every sender, turned into `ObjectCreated`.

| sender | body | key |
|---|---|---|
| MinIO's webhook | `{"EventName", "Key", "Records": [...]}`, `eventName` with `s3:` | form-encoded |
| AWS S3 to SQS | `{"Records": [...]}`, `eventName` without `s3:`; once a TestEvent | form-encoded |
| AWS S3 to EventBridge | `{"detail-type": "Object Created", "detail": {...}}` | as it is |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

import orjson

from assay_shared.errors import InvalidRequest
from assay_shared.events import ObjectCreated

CREATIONS = frozenset({"Put", "Post", "Copy", "CompleteMultipartUpload"})
"""What follows `ObjectCreated:` when an object's content is new. MinIO reports tagging, retention and legal
hold under `ObjectCreated:` too; those change no content."""


def read_events(body: bytes | str) -> list[ObjectCreated]:
    """The objects that a notification tells of; none for tagging, deletions and test events.

    Raises InvalidRequest when the body is no notification that is known here, naming the field.
    """
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The notification is not JSON: {error}") from error
    if not isinstance(event, dict):
        raise InvalidRequest(f"The notification must be a JSON object, not {type(event).__name__}")
    if "Records" in event:
        return _read_records(event["Records"])
    if "detail-type" in event:
        return _read_eventbridge(event)
    if event.get("Event") == "s3:TestEvent":
        return []
    raise InvalidRequest("The notification has neither Records (S3, MinIO) nor detail-type (EventBridge)")


def _read_records(records: object) -> list[ObjectCreated]:
    if not isinstance(records, list):
        raise InvalidRequest("Records must be a list")
    found = []
    for place, record in enumerate(records):
        where = f"Records[{place}]"
        kind, _, how = _text(record, "eventName", where).removeprefix("s3:").partition(":")
        if kind != "ObjectCreated" or how not in CREATIONS:
            continue
        entry = _object(record, "s3", where)
        stored = _object(entry, "object", f"{where}.s3")
        try:
            key = unquote_plus(_text(stored, "key", f"{where}.s3.object"), errors="strict")
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"{where}.s3.object.key is not form-encoded UTF-8") from error
        bucket = _text(_object(entry, "bucket", f"{where}.s3"), "name", f"{where}.s3.bucket")
        found.append(_created(bucket, key, stored, "eTag", f"{where}.s3.object"))
    return found


def _read_eventbridge(event: Mapping[str, Any]) -> list[ObjectCreated]:
    if event["detail-type"] != "Object Created":
        return []
    detail = _object(event, "detail", "")
    stored = _object(detail, "object", "detail")
    bucket = _text(_object(detail, "bucket", "detail"), "name", "detail.bucket")
    return [_created(bucket, _text(stored, "key", "detail.object"), stored, "etag", "detail.object")]


def _created(bucket: str, key: str, stored: Mapping[str, Any], etag: str, where: str) -> ObjectCreated:
    # MinIO leaves out size and eTag where they are empty.
    size = stored.get("size", 0)
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise InvalidRequest(f"{where}.size must be a number of bytes")
    return ObjectCreated(
        bucket=bucket,
        key=key,
        etag=str(stored.get(etag) or "").strip('"'),
        size=size,
        sequencer=str(stored.get("sequencer") or ""),
    )


def _object(holder: object, name: str, where: str) -> Mapping[str, Any]:
    value = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(value, dict):
        raise InvalidRequest(f"{where}.{name} is missing or no object".removeprefix("."))
    return value


def _text(holder: object, name: str, where: str) -> str:
    value = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(value, str) or not value:
        raise InvalidRequest(f"{where}.{name} is missing or no text")
    return value
