"""Events of AWS S3 from an SQS queue, moto's: whatever comes, the broker has each task, and none is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from assay_ingest.app import create_app
from assay_ingest.clients import make_clients
from assay_ingest.settings import IngestSettings
from assay_ingest.store_events import read_store_events
from assay_shared.queue import EVENTS, INGEST, TaskQueue
from assay_shared.settings import StoreSettings
from deploy.local.ports import free_port
from tests.integration.ingest.support import make_settings, queued, served
from tests.support.moto import run_moto
from tests.support.waiting import wait_until

REGION = "eu-west-1"
PREFIX = "acme-"
TEST_EVENT = '{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"acme-uploads"}'


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of SQS; the product finds the same by the environment."""
    with run_moto() as url:
        given = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test-secret",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": url,
        }
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        yield boto3.client("sqs")


@pytest.fixture
def queue_url(sqs: Any) -> str:
    """A queue whose messages come again after a second."""
    made = sqs.create_queue(QueueName=f"events-{free_port()}", Attributes={"VisibilityTimeout": "1"})
    return str(made["QueueUrl"])


@pytest.fixture
def settings(
    valkey: str, store_settings: StoreSettings, queue_url: str, tmp_path_factory: pytest.TempPathFactory
) -> IngestSettings:
    store = store_settings.model_copy(update={"bucket_prefix": PREFIX, "region": REGION})
    folder = tmp_path_factory.mktemp("data")
    given = {"store_events_queue_url": queue_url, "reconcile_seconds": 3600}
    return make_settings(folder, valkey, store, "a-token-of-the-webhook", **given)


def told(key: str, bucket: str = "acme-uploads", sequencer: str = "0A") -> str:
    """What S3 sends to the queue of a new object."""
    stored = {"key": key, "size": 3, "eTag": "e1", "sequencer": sequencer}
    record = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": stored}}
    return json.dumps({"Records": [record]})


def is_empty(sqs: Any, queue_url: str) -> Callable[[], bool]:
    """Whether the queue holds nothing, in flight or not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def look() -> bool:
        found = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        return all(found[name] == "0" for name in names)

    return look


def test_all_that_concerns_assay_becomes_a_task_and_the_queue_is_empty(
    sqs: Any, queue_url: str, settings: IngestSettings, valkey: str
) -> None:
    bodies = [
        TEST_EVENT,
        told("b/u1/later.jpg", sequencer="0B"),
        told("b/u1/a+b%2B.jpg"),
        told("b/u1/a+b%2B.jpg"),
        told("b/u1/foreign.jpg", bucket="others-uploads"),
        told("b/u1/bare.jpg", bucket="uploads"),
        told("b/v1/model.json", bucket="acme-models"),
        "no notification",
    ]
    for body in bodies:
        sqs.send_message(QueueUrl=queue_url, MessageBody=body)
    with served(create_app(settings)):
        wait_until(is_empty(sqs, queue_url), 60, "all messages are deleted")
    events = queued(valkey, INGEST)
    assert sorted(one["key"] for one in events) == ["b/u1/a b+.jpg", "b/u1/a b+.jpg", "b/u1/later.jpg"]
    assert {one["bucket"] for one in events} == {"uploads"}
    assert all(one["request_id"] for one in events)
    assert [(one["bucket"], one["key"]) for one in queued(valkey, EVENTS)] == [("models", "b/v1/model.json")]
    (letter,) = TaskQueue(valkey).dead_letters()
    assert letter.argument == {"body": "no notification"}


def test_events_wait_in_the_queue_while_the_broker_is_away(
    sqs: Any, queue_url: str, settings: IngestSettings, valkey: str
) -> None:
    away = settings.model_copy(update={"broker_url": SecretStr(f"redis://127.0.0.1:{free_port()}/0")})
    sqs.send_message(QueueUrl=queue_url, MessageBody=told("b/u1/a.jpg"))
    early = read_store_events(make_clients(away), pause_seconds=0.2)
    early.start()

    def was_tried() -> bool:
        names = ["ApproximateNumberOfMessagesNotVisible"]
        found = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        return bool(found[names[0]] == "1")

    wait_until(was_tried, 60, "a try without the broker")
    early.stop()
    assert queued(valkey, INGEST) == []
    later = read_store_events(make_clients(settings), pause_seconds=0.2)
    later.start()
    wait_until(lambda: queued(valkey, INGEST), 60, "the task")
    wait_until(is_empty(sqs, queue_url), 60, "the message is deleted")
    later.stop()
    assert {one["key"] for one in queued(valkey, INGEST)} == {"b/u1/a.jpg"}


def test_a_queue_that_is_not_there_stops_nobody_and_is_read_once_it_is(
    sqs: Any, queue_url: str, settings: IngestSettings, valkey: str
) -> None:
    sqs.delete_queue(QueueUrl=queue_url)
    reader = read_store_events(make_clients(settings), pause_seconds=0.2)
    with capture_logs() as lines:
        reader.start()
        wait_until(lambda: any("NonExistentQueue" in str(line.get("why")) for line in lines), 60, "a warning")
    name = queue_url.rpartition("/")[2]
    sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "1"})
    sqs.send_message(QueueUrl=queue_url, MessageBody=told("b/u1/a.jpg"))
    wait_until(lambda: queued(valkey, INGEST), 60, "the task")
    reader.stop()
