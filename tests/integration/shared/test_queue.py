"""The broker is killed and comes back: workers go on, senders are told, and what was sent is not lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from assay_shared.errors import BrokerUnavailable
from assay_shared.queue import INGEST_OBJECT, TaskQueue
from tests.integration.shared.support import Broker, Elsewhere, Worker

pytestmark = pytest.mark.timeout(300)
OUTAGES = pytest.mark.parametrize("seconds", [0.0, 20.0], ids=["short", "long"])
HANGS = 20.0
"""Seconds after which a call that should have failed is taken to hang."""


@pytest.fixture(autouse=True)
def whole(broker: Broker, elsewhere: Elsewhere) -> Iterator[None]:
    yield
    elsewhere.release()
    broker.thaw()


@OUTAGES
def test_idle_workers(workers: list[Worker], broker: Broker, queue: TaskQueue, seconds: float) -> None:
    for worker in workers:
        worker.wait_for(worker.send(queue))
    broker.kill()
    time.sleep(seconds)
    broker.start()
    for worker in workers:
        worker.wait_for(worker.send(queue), worker.send(queue))


@OUTAGES
def test_busy_workers(
    workers: list[Worker], broker: Broker, elsewhere: Elsewhere, queue: TaskQueue, seconds: float
) -> None:
    elsewhere.hold()
    names = {worker.kind: [worker.send(queue) for _ in range(6)] for worker in workers}
    for worker in workers:
        worker.wait_for(names[worker.kind][0])
    broker.kill()
    time.sleep(seconds)
    elsewhere.release()
    time.sleep(seconds / 10)
    broker.start()
    for worker in workers:
        worker.wait_for(worker.send(queue), *names[worker.kind], timeout=120)


def test_work_that_outlasts_the_outage(
    workers: list[Worker], broker: Broker, elsewhere: Elsewhere, queue: TaskQueue
) -> None:
    elsewhere.hold()
    names = {worker.kind: [worker.send(queue) for _ in range(6)] for worker in workers}
    for worker in workers:
        worker.wait_for(names[worker.kind][0])
    broker.kill()
    broker.start()
    elsewhere.release()
    for worker in workers:
        worker.wait_for(worker.send(queue), *names[worker.kind], timeout=120)


def test_senders_of_a_broker_that_is_killed(broker: Broker, queue: TaskQueue) -> None:
    assert try_to_send(queue)
    broker.kill()
    assert not try_to_send(queue)
    with pytest.raises(BrokerUnavailable):
        queue.check()
    broker.start()
    taken = sum(try_to_send(queue) for _ in range(5))
    assert taken >= 4
    queue.check()


def test_senders_of_a_broker_that_answers_nothing(broker: Broker, queue: TaskQueue) -> None:
    assert try_to_send(queue)
    broker.freeze()
    with ThreadPoolExecutor(4) as pool:
        sending = [pool.submit(try_to_send, queue) for _ in range(8)]
        assert not any(sent.result(timeout=2 * HANGS) for sent in sending)
    broker.thaw()
    assert try_to_send(queue)


@pytest.mark.parametrize("busy", [False, True])
def test_workers_end_when_told_while_the_broker_is_away(
    workers: list[Worker], broker: Broker, elsewhere: Elsewhere, queue: TaskQueue, busy: bool
) -> None:
    names = []
    if busy:
        elsewhere.hold()
        names = [worker.send(queue) for worker in workers]
        for worker, name in zip(workers, names, strict=True):
            worker.wait_for(name)
    broker.kill()
    try:
        for worker in workers:
            process = psutil.Process(worker.supervisor.pids()[worker.program.name])
            process.terminate()
            elsewhere.release()
            process.wait(timeout=3 * HANGS)
    finally:
        broker.start()
    for worker in workers:
        worker.wait_for(worker.send(queue))


def try_to_send(queue: TaskQueue) -> bool:
    """Whether the broker takes a task; fails if it takes for ever."""
    with ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(queue.send, INGEST_OBJECT, {}).result(timeout=HANGS)
        except BrokerUnavailable:
            return False
    return True
