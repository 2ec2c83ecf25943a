from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from assay_ingest.app import MAX_NOTIFICATION_BYTES, create_app
from assay_ingest.settings import IngestSettings
from assay_shared.queue import EVENTS, INGEST, TaskQueue
from assay_shared.settings import StoreSettings
from deploy.local.ports import free_port
from tests.integration.ingest.support import make_settings, queued, served

TOKEN = "a-token-of-the-webhook"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def settings(
    valkey: str, store_settings: StoreSettings, tmp_path_factory: pytest.TempPathFactory
) -> IngestSettings:
    return make_settings(tmp_path_factory.mktemp("data"), valkey, store_settings, TOKEN)


@pytest.fixture
def client(settings: IngestSettings) -> Iterator[httpx.Client]:
    with served(create_app(settings)) as client:
        yield client


def minio_body(
    bucket: str = "uploads", key: str = "acme%2Fu1%2Fa+b.jpg", name: str = "s3:ObjectCreated:Put"
) -> str:
    stored = {"key": key, "size": 3, "eTag": "e1", "sequencer": "0A"}
    return json.dumps(
        {
            "EventName": name,
            "Records": [{"eventName": name, "s3": {"bucket": {"name": bucket}, "object": stored}}],
        }
    )


def test_answers_when_the_broker_has_the_task(client: httpx.Client, valkey: str) -> None:
    answer = client.post("/events/minio", content=minio_body(), headers=HEADERS)
    assert (answer.status_code, answer.json()) == (200, {"queued": 1})
    (event,) = queued(valkey, INGEST)
    assert event["key"] == "acme/u1/a b.jpg"
    assert event["request_id"] == answer.headers["X-Request-Id"]


def test_a_model_goes_to_the_queue_of_events(client: httpx.Client, valkey: str) -> None:
    for key in ("acme/v1/model.json", "acme/v1/model.safetensors", "acme/v1/report/model.json"):
        client.post("/events/s3", content=minio_body("models", key, "ObjectCreated:Put"), headers=HEADERS)
    assert [event["key"] for event in queued(valkey, EVENTS)] == ["acme/v1/model.json"]
    assert queued(valkey, INGEST) == []


@pytest.mark.parametrize(
    "body",
    [
        minio_body(name="s3:ObjectCreated:PutTagging"),
        minio_body(name="s3:ObjectRemoved:Delete"),
        minio_body(bucket="images"),
        minio_body(key="acme%2Fu1%2F"),
        '{"Event": "s3:TestEvent"}',
    ],
)
def test_what_concerns_nobody_is_answered_and_not_queued(
    client: httpx.Client, valkey: str, body: str
) -> None:
    answer = client.post("/events/minio", content=body, headers=HEADERS)
    assert (answer.status_code, answer.json()) == (200, {"queued": 0})
    assert queued(valkey, INGEST) == []
    assert TaskQueue(valkey).dead_letters() == []


def test_what_cannot_be_read_is_kept_and_does_not_block_the_sender(client: httpx.Client, valkey: str) -> None:
    answer = client.post("/events/minio", content=b'{"Records": [7]}\xff', headers=HEADERS)
    assert (answer.status_code, answer.json()) == (200, {"queued": 0})
    (letter,) = TaskQueue(valkey).dead_letters()
    assert letter.argument == {"body": '{"Records": [7]}\\xff'}
    assert "not JSON" in letter.error


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}]
)
def test_needs_the_token(client: httpx.Client, valkey: str, headers: dict[str, str]) -> None:
    assert client.post("/events/minio", content=minio_body(), headers=headers).status_code == 401
    assert queued(valkey, INGEST) == []


def test_a_body_over_the_limit(client: httpx.Client) -> None:
    body = b" " * (MAX_NOTIFICATION_BYTES + 1)
    assert client.post("/events/minio", content=body, headers=HEADERS).status_code == 413


def test_says_when_the_broker_is_away(settings: IngestSettings) -> None:
    away = SecretStr(f"redis://127.0.0.1:{free_port()}/0")
    with served(create_app(settings.model_copy(update={"broker_url": away}))) as client:
        answer = client.post("/events/minio", content=minio_body(), headers=HEADERS)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        ready = client.get("/readyz")
        assert (ready.status_code, list(ready.json()["failed"])) == (503, ["broker"])


def test_is_ready_with_broker_and_store(client: httpx.Client) -> None:
    assert client.get("/readyz").status_code == 200
    assert "assay_ingest_events" in client.get("/metrics").text
