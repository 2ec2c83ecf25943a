from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_ingest.normalise import read_events
from assay_shared.errors import InvalidRequest
from assay_shared.events import ObjectCreated


def record(
    event_name: str = "s3:ObjectCreated:Put", key: str = "acme/u1/a.jpg", **changes: Any
) -> dict[str, Any]:
    stored = {"key": key, "size": 7, "eTag": "e1", "sequencer": "0A", **changes}
    return {"eventName": event_name, "s3": {"bucket": {"name": "uploads"}, "object": stored}}


def body(*records: Any) -> bytes:
    return json.dumps({"Records": list(records)}).encode()


def test_minio() -> None:
    sent = {"EventName": "s3:ObjectCreated:Put", "Key": "uploads/acme/u1/a b+c.jpg"}
    sent["Records"] = [record(key="acme%2Fu1%2Fa+b%2Bc.jpg")]  # type: ignore[assignment]
    assert read_events(json.dumps(sent)) == [
        ObjectCreated(bucket="uploads", key="acme/u1/a b+c.jpg", etag="e1", size=7, sequencer="0A")
    ]


def test_minio_leaves_out_what_is_empty() -> None:
    empty = record()
    del empty["s3"]["object"]["size"], empty["s3"]["object"]["eTag"], empty["s3"]["object"]["sequencer"]
    assert read_events(body(empty)) == [ObjectCreated(bucket="uploads", key="acme/u1/a.jpg", etag="", size=0)]


def test_s3_over_sqs() -> None:
    events = read_events(body(record("ObjectCreated:CompleteMultipartUpload", eTag='"e2-3"')))
    assert [event.etag for event in events] == ["e2-3"]


def test_the_test_event_of_sqs_gives_nothing() -> None:
    assert read_events('{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"uploads"}') == []


def test_eventbridge_keys_are_not_encoded() -> None:
    event = {
        "detail-type": "Object Created",
        "detail": {
            "bucket": {"name": "uploads"},
            "object": {"key": "acme/u1/50%25+x.jpg", "size": 9, "etag": "e3", "sequencer": "1"},
        },
    }
    assert read_events(json.dumps(event)) == [
        ObjectCreated(bucket="uploads", key="acme/u1/50%25+x.jpg", etag="e3", size=9, sequencer="1")
    ]
    assert read_events(json.dumps({**event, "detail-type": "Object Deleted"})) == []


@pytest.mark.parametrize(
    "name",
    [
        "s3:ObjectCreated:PutTagging",
        "s3:ObjectCreated:DeleteTagging",
        "s3:ObjectCreated:PutRetention",
        "s3:ObjectCreated:PutLegalHold",
        "ObjectRemoved:Delete",
        "ObjectTagging:Put",
        "s3:ObjectAccessed:Get",
        "Object",
    ],
)
def test_what_creates_no_content_gives_nothing(name: str) -> None:
    assert read_events(body(record(name), record())) == read_events(body(record()))


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ("not json", "not JSON"),
        ("[]", "must be a JSON object, not list"),
        ("{}", "neither Records"),
        ('{"Records": 3}', "Records must be a list"),
        ('{"Records": [3]}', "Records[0].eventName is missing"),
        ('{"Records": [{"eventName": "ObjectCreated:Put"}]}', "Records[0].s3 is missing"),
        (body(record(key="")), "Records[0].s3.object.key is missing"),
        (body(record(key="%ff")), "not form-encoded UTF-8"),
        (body(record(size="7")), "Records[0].s3.object.size"),
        (body(record(size=-1)), "Records[0].s3.object.size"),
        ('{"detail-type": "Object Created"}', "detail is missing"),
        ('{"detail-type": "Object Created", "detail": {"object": {}}}', "detail.bucket is missing"),
    ],
)
def test_names_what_is_wrong(sent: bytes | str, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_events(sent)
    assert words in caught.value.detail


keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@given(keys)
def test_any_key_comes_back_as_it_was(key: str) -> None:
    assert [event.key for event in read_events(body(record(key=quote_plus(key))))] == [key]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Records", "eventName", "s3", "object", "bucket", "key", "size", "detail-type", "detail"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(anything)
def test_any_json_is_read_or_refused(value: Any) -> None:
    try:
        events = read_events(json.dumps(value))
    except InvalidRequest:
        return
    assert all(event.key and event.bucket for event in events)
