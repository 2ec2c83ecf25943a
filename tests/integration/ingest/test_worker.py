"""The worker as a process, fed by the webhook."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from assay_ingest.app import create_app
from assay_shared.events import ObjectCreated
from assay_shared.keys import UPLOADS
from assay_shared.queue import INGEST_OBJECT, DeadLetter
from deploy.local.supervisor import Program, Supervisor
from tests.integration.ingest.support import Inbox, Registry, served
from tests.integration.ingest.test_bad_input import GOOD, photo
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def worker(registry: Registry, supervisor: Supervisor, ingest_environment: dict[str, str]) -> Iterator[str]:
    """A running worker; gives its name in the supervisor."""
    with redis.Redis.from_url(ingest_environment["ASSAY_BROKER_URL"]) as broker:
        broker.flushdb()
    command = [sys.executable, "-m", "celery", "-A", "assay_ingest.worker", "worker", "-Q", "ingest,events"]
    program = Program(
        "ingest-tests-worker",
        [*command, "-c", "2"],
        ingest_environment,
        Path(ingest_environment["ASSAY_DATA_DIR"]),
        lambda log: "ready" in log,
    )
    supervisor.start([program])
    yield program.name
    supervisor.down(program.name)


def notification(key: str) -> str:
    entry = {"bucket": {"name": "uploads"}, "object": {"key": key, "size": 1, "eTag": "from-the-event"}}
    return json.dumps({"Records": [{"eventName": "s3:ObjectCreated:Put", "s3": entry}]})


def test_from_notification_to_accepted_through_deaths(
    inbox: Inbox, worker: str, supervisor: Supervisor
) -> None:
    settings = inbox.clients.settings.model_copy(update={"reconcile_seconds": 0.5, "resend_seconds": 3.0})
    headers = {"Authorization": f"Bearer {settings.webhook_token.get_secret_value()}"}
    with served(create_app(settings)) as client:
        for number in range(12):
            inbox.put(f"{number}.jpg", photo(number))
            inbox.put(f"{number}.json", GOOD)
            for ending in ("jpg", "json"):
                body = notification(inbox.key(f"{number}.{ending}"))
                client.post("/events/minio", content=body, headers=headers).raise_for_status()
            if number in {4, 8}:
                children = psutil.Process(supervisor.pids()[worker]).children()
                (
                    children[0] if number == 4 and children else psutil.Process(supervisor.pids()[worker])
                ).kill()
        wait_until(lambda: inbox.waiting() == [], 60, "the inbox is empty")
    assert len(inbox.images("accepted")) == 12
    assert inbox.upload_record()["counts"] == {"accepted": 24}


def test_waits_for_a_registry_that_is_away(inbox: Inbox, worker: str, supervisor: Supervisor) -> None:
    inbox.put("a.jpg", photo(1))
    inbox.put("a.json", GOOD)
    log = supervisor.log_dir / f"{worker}.log"
    failures = log.read_text().count("RegistryUnavailable")
    supervisor.down(inbox.registry.program.name)
    try:
        for name in ("a.jpg", "a.json"):
            event = ObjectCreated(bucket=UPLOADS, key=inbox.key(name), etag="e", size=1)
            inbox.clients.queue.send(INGEST_OBJECT, event.model_dump(mode="json"))
        wait_until(lambda: log.read_text().count("RegistryUnavailable") > failures, what="a task that failed")
    finally:
        supervisor.up(inbox.registry.program)
    wait_until(lambda: inbox.waiting() == [], 60, "the inbox is empty")
    assert len(inbox.images("accepted")) == 1
    assert inbox.clients.queue.dead_letters() == []


def test_a_task_that_fails_for_good_is_kept(inbox: Inbox, worker: str) -> None:
    queue = inbox.clients.queue
    queue.send(INGEST_OBJECT, {"bucket": "uploads", "key": "acme/u1/../a.jpg", "etag": "e", "size": 1})
    letters: list[DeadLetter] = wait_until(queue.dead_letters, 60, "a dead letter")
    assert letters[0].task == INGEST_OBJECT
    assert letters[0].argument["key"] == "acme/u1/../a.jpg"
