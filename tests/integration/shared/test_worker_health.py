"""A worker says that it works only while it does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assay_shared.queue import TaskQueue
from assay_shared.worker_health import TOUCH_SECONDS
from tests.integration.shared.support import Broker, Elsewhere, Worker

SILENCE = 2.5 * TOUCH_SECONDS


@pytest.fixture(autouse=True)
def healthy(workers: list[Worker], broker: Broker, elsewhere: Elsewhere) -> Iterator[None]:
    for worker in workers:
        worker.wait_until_fresh()
    yield
    elsewhere.release()
    broker.thaw()


def test_a_broker_that_is_killed(workers: list[Worker], broker: Broker) -> None:
    broker.kill()
    try:
        for worker in workers:
            worker.wait_until_stale(SILENCE)
    finally:
        broker.start()
    for worker in workers:
        worker.wait_until_fresh()


def test_a_broker_that_answers_nothing(workers: list[Worker], broker: Broker) -> None:
    broker.freeze()
    for worker in workers:
        worker.wait_until_stale(SILENCE)
    broker.thaw()
    for worker in workers:
        worker.wait_until_fresh(120)


def test_a_worker_whose_hands_are_full_is_alive_until_its_broker_is_killed(
    workers: list[Worker], broker: Broker, elsewhere: Elsewhere, queue: TaskQueue
) -> None:
    elsewhere.hold()
    for worker in workers:
        worker.wait_for(worker.send(queue))
        for _ in range(4):
            worker.send(queue)
    for _ in range(2):
        for worker in workers:
            worker.wait_until_fresh()
    broker.kill()
    try:
        for worker in workers:
            worker.wait_until_stale(SILENCE)
    finally:
        broker.start()
    for worker in workers:
        worker.wait_until_fresh()
