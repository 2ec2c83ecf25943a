"""What waits in the broker, for `/metrics`: queues, tasks that workers hold, dead letters.

A thread asks the broker, not the scrape: `/metrics` is answered on the event loop, and a broker that hangs
must not hang the webhook with it. A broker that does not answer is told by `assay_broker_up` alone: the
lengths are gone until it answers, for an old length looks like a healthy one. Every replica asks the same
broker, so take the maximum over replicas, never the sum.
"""

from __future__ import annotations

import math
import threading

import redis
from prometheus_client import Gauge

from assay_shared import logs
from assay_shared.errors import BrokerUnavailable
from assay_shared.queue import DEAD_LETTERS, EVENTS, INGEST, TRAIN

LOOK_SECONDS = 5.0
"""Pause between two looks; one costs the broker five commands of constant time."""
UNACKNOWLEDGED = "unacked"
"""Where kombu keeps the messages of all queues that a worker took and did not acknowledge."""

LENGTH = Gauge("assay_queue_length", "tasks that wait for a worker, by queue", ["queue"])
HELD = Gauge("assay_queue_held", "tasks of all queues that workers hold: in work, or waiting for another try")
DEAD = Gauge("assay_dead_letters", "tasks that failed for good and wait for a person")
BROKER_UP = Gauge("assay_broker_up", "whether the broker answered the last look")

log = logs.get_logger(__name__)


class QueueMeter:
    """Looks at the broker every LOOK_SECONDS on a thread of its own until stopped; errors are logged and the
    next look tries again."""

    def __init__(self, broker_url: str) -> None:
        self._broker = redis.Redis.from_url(broker_url, socket_timeout=5, socket_connect_timeout=3)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="queue-meter", daemon=True)

    def start(self) -> None:
        """Begins with a look at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the look that runs."""
        self._stopped.set()
        self._thread.join(timeout=10)
        self._broker.close()

    @property
    def is_running(self) -> bool:
        """Whether the thread lives."""
        return self._thread.is_alive()

    def look(self) -> None:
        """Asks the broker once and sets every gauge. Raises BrokerUnavailable."""
        queues = (INGEST, EVENTS, TRAIN)
        try:
            with self._broker.pipeline(transaction=False) as asked:
                for name in (*queues, DEAD_LETTERS):
                    asked.llen(name)
                asked.hlen(UNACKNOWLEDGED)
                *lengths, dead, held = asked.execute()
        except (redis.RedisError, OSError) as error:
            BROKER_UP.set(0)
            LENGTH.clear()
            HELD.set(math.nan)
            DEAD.set(math.nan)
            raise BrokerUnavailable("The broker does not tell the lengths of its queues") from error
        for name, length in zip(queues, lengths, strict=True):
            LENGTH.labels(name).set(length)
        HELD.set(held)
        DEAD.set(dead)
        BROKER_UP.set(1)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.look()
            except BrokerUnavailable as error:
                log.warning("queues cannot be measured", error=error.detail)
            except Exception:
                log.exception("measuring the queues crashed")
            self._stopped.wait(LOOK_SECONDS)
