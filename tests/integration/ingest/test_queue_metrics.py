"""What waits in the broker is measured."""

from __future__ import annotations

import math

import pytest
import redis
from prometheus_client import REGISTRY

from assay_ingest.queue_metrics import UNACKNOWLEDGED, QueueMeter
from assay_shared.errors import BrokerUnavailable
from assay_shared.queue import INGEST, INGEST_OBJECT, MODEL_ARRIVED, DeadLetter, TaskQueue, make_celery
from deploy.local.ports import free_port
from tests.support.waiting import wait_until


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def test_queues_and_dead_letters_are_counted(valkey: str) -> None:
    queue, meter = TaskQueue(valkey), QueueMeter(valkey)
    for number in range(3):
        queue.send(INGEST_OBJECT, {"key": f"a/b/{number}.jpg"})
    queue.send(MODEL_ARRIVED, {"key": "a/v1/model.json"})
    queue.bury(DeadLetter.of(INGEST_OBJECT, {"key": "a/b/c.jpg"}, ValueError("odd")))
    meter.look()
    lengths = [value("assay_queue_length", queue=name) for name in ("ingest", "events", "train")]
    assert lengths == [3, 1, 0]
    assert value("assay_queue_held") == 0
    assert value("assay_dead_letters") == 1
    assert value("assay_broker_up") == 1


def test_what_a_worker_took_and_did_not_acknowledge_is_held(valkey: str) -> None:
    TaskQueue(valkey).send(INGEST_OBJECT, {"key": "a/b/c.jpg"})
    with make_celery(valkey, (INGEST,)).connection() as connection:
        channel = connection.channel()
        assert channel.basic_get(INGEST) is not None
        QueueMeter(valkey).look()
        assert value("assay_queue_length", queue="ingest") == 0
        assert value("assay_queue_held") == 1
    with redis.Redis.from_url(valkey) as broker:
        # Given back when its taker hangs up.
        assert broker.hlen(UNACKNOWLEDGED) == 0


def test_a_broker_that_is_away_leaves_no_lengths(valkey: str) -> None:
    QueueMeter(valkey).look()
    with pytest.raises(BrokerUnavailable):
        QueueMeter(f"redis://127.0.0.1:{free_port()}/0").look()
    assert value("assay_broker_up") == 0
    assert value("assay_queue_length", queue="ingest") is None
    assert math.isnan(value("assay_dead_letters") or 0)
    QueueMeter(valkey).look()
    assert value("assay_dead_letters") == 0


def test_it_looks_by_itself_and_ends(valkey: str) -> None:
    TaskQueue(valkey).bury(DeadLetter.of(INGEST_OBJECT, {}, ValueError("odd")))
    meter = QueueMeter(valkey)
    meter.start()
    wait_until(lambda: value("assay_dead_letters") == 1, what="the dead letter is counted")
    meter.stop()
    assert not meter.is_running
