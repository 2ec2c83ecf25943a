"""The queue: Celery on Redis. Tasks are named here, so that no service imports another's code.

A task is acknowledged after its work (`acks_late`): a worker killed with `kill -9` loses nothing. The
visibility timeout must exceed the longest task of its queue, for Celery never extends it; a training run
lasts longer than any timeout, so it is owned by a lease in the registry and its task may come twice.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import orjson
import redis
from celery import Celery
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.transport import redis as redis_transport
from kombu.transport import virtual

from assay_shared.errors import BrokerUnavailable

INGEST = "ingest"
EVENTS = "events"
TRAIN = "train"

INGEST_OBJECT = "assay.ingest.ingest_object"
"""Task of queue `ingest`: one argument, an `events.ObjectCreated` as a dict."""
MODEL_ARRIVED = "assay.events.model_arrived"
"""Task of queue `events`: one argument, an `events.ObjectCreated` of a `model.json` as a dict."""
TRAIN_RUN = "assay.train.train_run"
"""Task of queue `train`: one argument, the id of the training run."""

DEAD_LETTERS = "assay:dead-letters"
VISIBILITY_SECONDS = {INGEST: 600, EVENTS: 600, TRAIN: 60}
"""Seconds until a message held by a dead worker is given to another (longest task of the queue and more;
a repeated train message is harmless, for the lease refuses it)."""
SEND_SECONDS = 3
"""Until a broker that takes a connection but does not answer is given up by who sends. Celery tries three
times in all, so a client waits 10 seconds for its 503."""


def make_celery(broker_url: str, queues: tuple[str, ...]) -> Celery:
    """The Celery app of a worker of these queues, or of a producer (no queues)."""
    app = Celery("assay", broker=broker_url)
    redis_transport.Channel.QoS = _Credit
    visibility = max((VISIBILITY_SECONDS[name] for name in queues), default=600)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_default_queue=INGEST,
        task_create_missing_queues=False,
        task_queues=[Queue(name, Exchange(name), routing_key=name) for name in (INGEST, EVENTS, TRAIN)],
        task_routes={
            INGEST_OBJECT: {"queue": INGEST},
            MODEL_ARRIVED: {"queue": EVENTS},
            TRAIN_RUN: {"queue": TRAIN},
        },
        broker_transport_options={
            "visibility_timeout": visibility,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": 10 if queues else SEND_SECONDS,
            "socket_connect_timeout": 3,
            "socket_keepalive": True,
        },
    )
    return app


class _Credit(redis_transport.QoS):
    """How many more tasks a worker may ask for.

    Kombu 5.7 keeps the place of a task whose acknowledgement the broker did not take: a worker whose tasks
    all ended while the broker was away would never ask for one again. Here the place is given back; the
    broker hands such a task out once more when its visibility timeout ends, as it does with any lost one.
    """

    def ack(self, delivery_tag: str) -> None:
        """Acknowledges a message. Raises what Redis raises."""
        try:
            super().ack(delivery_tag)  # type: ignore[no-untyped-call]
        finally:
            virtual.QoS.ack(self, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Gives a message up or back. Raises what Redis raises."""
        try:
            super().reject(delivery_tag, requeue)  # type: ignore[no-untyped-call]
        finally:
            virtual.QoS.ack(self, delivery_tag)


class TaskQueue:
    """Sends tasks by name. Raises BrokerUnavailable when the broker does not take one."""

    def __init__(self, broker_url: str) -> None:
        self._app = make_celery(broker_url, ())
        self._redis = redis.Redis.from_url(broker_url, socket_timeout=5, socket_connect_timeout=3)

    def send(self, task: str, argument: Any) -> None:
        """Queues a task with its one argument; when this returns, the broker has it."""
        try:
            self._app.send_task(
                task, args=[argument], retry=True, retry_policy={"max_retries": 1, "interval_start": 0.1}
            )
        except (OperationalError, redis.RedisError, OSError) as error:
            raise BrokerUnavailable(f"The broker does not take the task {task}") from error

    def check(self) -> None:
        """Raises BrokerUnavailable unless the broker answers."""
        try:
            self._redis.ping()
        except (redis.RedisError, OSError) as error:
            raise BrokerUnavailable("The broker does not answer") from error

    def bury(self, letter: DeadLetter) -> None:
        """Keeps a task that failed for good, for a person to look at and send again."""
        try:
            self._redis.rpush(DEAD_LETTERS, orjson.dumps(letter))
        except (redis.RedisError, OSError) as error:
            raise BrokerUnavailable("The broker does not take the dead letter") from error

    def dead_letters(self) -> list[DeadLetter]:
        """All tasks that failed for good, oldest first."""
        try:
            found = self._redis.lrange(DEAD_LETTERS, 0, -1)
        except (redis.RedisError, OSError) as error:
            raise BrokerUnavailable("The broker does not list the dead letters") from error
        return [DeadLetter(**orjson.loads(item)) for item in found]

    def revive_dead_letters(self) -> int:
        """Sends every dead letter again; returns how many."""
        letters = self.dead_letters()
        for letter in letters:
            self.send(letter.task, letter.argument)
            self._redis.lpop(DEAD_LETTERS)
        return len(letters)


@dataclass(frozen=True)
class DeadLetter:
    """A task that failed for good: its name, argument, error, and when (seconds since 1970)."""

    task: str
    argument: Any
    error: str
    at: float

    @classmethod
    def of(cls, task: str, argument: Any, error: BaseException) -> DeadLetter:
        """The dead letter of a task that raised."""
        return cls(task, argument, f"{type(error).__name__}: {error}", time.time())
