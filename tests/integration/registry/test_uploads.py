from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import redis
from sqlalchemy import update

from assay_registry.context import Context
from assay_registry.files import CLAIM_LASTS
from assay_registry.models import FileRow
from assay_registry.settings import RegistrySettings
from assay_shared.ids import utc_now
from assay_shared.keys import UPLOADS
from assay_shared.queue import INGEST, TaskQueue
from assay_shared.wire import QuarantineArrival, Source
from tests.integration.registry.support import Registry, both_databases, document


@pytest.fixture
def upload(registry: Registry) -> str:
    """The address of a new upload."""
    answer = registry.client.post(f"{registry.address}/uploads")
    assert answer.status_code == 201
    return f"{registry.address}/uploads/{answer.json()['id']}"


def raw(registry: Registry, upload: str, name: str) -> bytes:
    return registry.context.store.get(UPLOADS, f"{registry.brand}/{upload.rpartition('/')[2]}/{name}")


def source(registry: Registry, upload: str, name: str, content: bytes) -> Source:
    etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return Source(
        brand=registry.brand, upload=upload.rpartition("/")[2], name=name, etag=etag, size=len(content)
    )


@both_databases
def test_a_file_is_stored_then_announced(registry: Registry, upload: str, settings: RegistrySettings) -> None:
    answer = registry.client.put(f"{upload}/files/a%20b/c+ü.jpg", content=b"photo")
    assert (answer.status_code, answer.json()["state"]) == (202, "received")
    assert answer.json()["name"] == "a b/c+ü.jpg"
    assert raw(registry, upload, "a b/c+ü.jpg") == b"photo"
    assert registry.client.get(upload).json()["counts"] == {"received": 1}
    with redis.Redis.from_url(settings.broker_url.get_secret_value()) as broker:
        assert broker.llen(INGEST) == 1


def test_a_store_that_tells_of_uploads_itself_needs_no_announcement(
    registry: Registry, upload: str, settings: RegistrySettings
) -> None:
    settings.announce_uploads = False
    assert registry.client.put(f"{upload}/files/a.jpg", content=b"photo").status_code == 202
    assert raw(registry, upload, "a.jpg") == b"photo"
    with redis.Redis.from_url(settings.broker_url.get_secret_value()) as broker:
        assert broker.llen(INGEST) == 0


def test_a_body_larger_than_memory_is_streamed_through(registry: Registry, upload: str) -> None:
    content = bytes(range(256)) * 12_000
    assert registry.client.put(f"{upload}/files/big.zip", content=content).status_code == 202
    assert raw(registry, upload, "big.zip") == content


def test_a_body_that_is_too_large_is_refused(registry: Registry, upload: str) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(5):
            yield b"x" * 1_000_000

    for content in (b"x" * 4_000_001, chunks()):
        answer = registry.client.put(f"{upload}/files/a.jpg", content=content)
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:assay:problem:too-large")
    assert registry.client.get(upload).json()["counts"] == {}


@pytest.mark.parametrize(
    "name",
    [
        "a/../b.jpg",
        "%2e%2e/b.jpg",
        "a//b.jpg",
        "a/%2e",
        "a%00.jpg",
        "a%1F.jpg",
        "x" * 1000,
        "ü" * 128,
        "d/" * 600 + "a",
    ],
)
def test_names_that_no_store_takes_are_refused(registry: Registry, upload: str, name: str) -> None:
    # The client would resolve the dots; a socket would not.
    target = f"{upload}/files/{name.replace('..', '%2e%2e')}"
    answer = registry.client.put(target, content=b"x")
    assert answer.status_code == 422
    assert "Rename" in answer.json()["detail"]


def test_a_file_of_no_upload_is_not_found(registry: Registry) -> None:
    answer = registry.client.put(f"{registry.address}/uploads/none/files/a.jpg", content=b"x")
    assert answer.status_code == 404


def test_the_same_file_again_is_no_error(registry: Registry, upload: str) -> None:
    for _ in range(2):
        assert registry.client.put(f"{upload}/files/a.jpg", content=b"x").status_code == 202
    registry.tell_image(source(registry, upload, "a.jpg", b"x"), b"x")
    again = registry.client.put(f"{upload}/files/a.jpg", content=b"x")
    assert (again.status_code, again.json()["state"]) == (202, "received")
    assert registry.client.get(upload).json()["counts"] == {"received": 1}


def test_another_image_under_a_taken_name_is_a_conflict(registry: Registry, upload: str) -> None:
    registry.client.put(f"{upload}/files/a.jpg", content=b"x")
    answer = registry.client.put(f"{upload}/files/a.jpg", content=b"y")
    assert answer.status_code == 409
    assert "another name" in answer.json()["detail"]
    assert raw(registry, upload, "a.jpg") == b"x"


def test_a_refused_image_may_be_set_right(registry: Registry, upload: str) -> None:
    registry.client.put(f"{upload}/files/a.jpg", content=b"x")
    refused = QuarantineArrival(
        source=source(registry, upload, "a.jpg", b"x"), code="truncated", reason="It is cut off."
    )
    registry.tell("quarantines", refused)
    shown = registry.client.get(upload).json()
    assert shown["counts"] == {"quarantined": 1}
    assert shown["files"][0]["reason"] == "It is cut off."
    assert registry.client.put(f"{upload}/files/a.jpg", content=b"y").status_code == 202
    assert [file["state"] for file in registry.client.get(upload).json()["files"]] == [
        "quarantined",
        "received",
    ]


def test_an_annotation_file_may_be_replaced_and_put_back(registry: Registry, upload: str) -> None:
    registry.tell_image(source(registry, upload, "a.jpg", b"x"), b"x")
    for content, label in ((b"1", "logo"), (b"2", "seal"), (b"1", "logo")):
        assert registry.client.put(f"{upload}/files/a.json", content=content).status_code == 202
        registry.tell_annotation(source(registry, upload, "a.json", content), document(label))
        assert [box["label"] for box in registry.list_images()[0]["annotations"]] == [label]


def test_nothing_is_acknowledged_while_the_store_is_down(
    registry: Registry, upload: str, without_store: Callable[[], Context]
) -> None:
    without_store()
    answer = registry.client.put(f"{upload}/files/a.jpg", content=b"x")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert registry.client.get(upload).json()["counts"] == {}
    registry.app.state.context = registry.context
    assert registry.client.put(f"{upload}/files/a.jpg", content=b"y").status_code == 202


def test_a_broker_that_is_down_is_no_error(registry: Registry, upload: str) -> None:
    registry.app.state.context = replace(registry.context, queue=TaskQueue("redis://127.0.0.1:9/0"))
    assert registry.client.put(f"{upload}/files/a.jpg", content=b"x").status_code == 202


def test_a_claim_whose_process_died_frees_the_name(registry: Registry, upload: str) -> None:
    registry.client.put(f"{upload}/files/a.jpg", content=b"x")
    registry.context.store.delete(UPLOADS, f"{registry.brand}/{upload.rpartition('/')[2]}/a.jpg")
    assert registry.client.put(f"{upload}/files/a.jpg", content=b"y").status_code == 409
    with registry.context.database.session() as session:
        session.execute(update(FileRow).values(created_at=utc_now() - CLAIM_LASTS - timedelta(seconds=1)))
    assert registry.client.put(f"{upload}/files/a.jpg", content=b"y").status_code == 202
    assert registry.client.get(upload).json()["counts"] == {"received": 1}
