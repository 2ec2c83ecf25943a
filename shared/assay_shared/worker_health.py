"""Says that a Celery worker works: a file is touched for as long as it really takes tasks from its broker.

The worker answers nobody (`worker_enable_remote_control=False`), and a worker that has lost its broker, or
whose connection is open but silent, looks like an idle one from outside. So it is asked from inside: does the
broker answer, and has the worker its hands full, or did it ask for a task a moment ago?
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import redis
from celery import Celery, bootsteps
from celery.worker import state
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from redis.backoff import NoBackoff
from redis.retry import Retry

from assay_shared import logs

TOUCH_SECONDS = 5.0
"""Between two looks. A container's health check may call a file older than a minute stale."""
SILENT_SECONDS = 20.0
"""A worker that wants tasks asks for them every second or two; one that has not for so long is stuck."""
ANSWER_SECONDS = 2.0
"""Until a broker that does not answer counts as away. The worker's loop waits meanwhile, so it is short."""

log = logs.get_logger(__name__)


class WorkerHealthSettings(BaseSettings):
    """From the environment (`ASSAY_*`)."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", extra="ignore", env_ignore_empty=True)

    alive_file: Path | None = Field(
        default=None, description="touched every few seconds while a worker takes tasks; none: nothing is"
    )


def show_life(app: Celery, settings: WorkerHealthSettings | None = None) -> None:
    """Has every worker of this app touch `ASSAY_ALIVE_FILE`, where that is set. Settings come from the
    environment unless given."""
    settings = settings or WorkerHealthSettings()
    if settings.alive_file is not None:
        app.conf.update(assay_alive_file=str(settings.alive_file))
        app.steps["consumer"].add(AliveFile)


class AliveFile(bootsteps.StartStopStep):  # type: ignore[misc]
    """The step of a worker's consumer that touches the file. With Redis the timer of every pool, threads
    included, runs in the loop that takes tasks: no turn of the loop, no touch."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._path = Path(consumer.app.conf.assay_alive_file)
        self._broker = redis.Redis.from_url(
            consumer.app.conf.broker_url,
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._entry: Any = None

    def start(self, consumer: Any) -> None:
        """The consumer is connected, perhaps again."""
        self._entry = consumer.timer.call_repeatedly(TOUCH_SECONDS, self._look, (consumer,))

    def stop(self, consumer: Any) -> None:
        """The connection was lost, or the worker stops."""
        if self._entry is not None:
            consumer.timer.cancel(self._entry)
            self._entry = None

    def _look(self, consumer: Any) -> None:
        if not _takes_tasks(consumer):
            log.warning("the worker takes no tasks")
            return
        try:
            self._broker.ping()
            self._path.touch()
        except (redis.RedisError, OSError) as error:
            log.warning(
                "the worker's broker does not answer, or its file cannot be touched", error=str(error)
            )


def _takes_tasks(consumer: Any) -> bool:
    """Whether the consumer has its hands full, or has asked the broker for a task lately."""
    channel = consumer.task_consumer.channel
    if state.requests and not channel.qos.can_consume():
        return True
    # Kombu says nowhere else when it asked last; tests of both workers notice if it moves.
    asked: float | None = channel._brpop_sent_at
    return asked is not None and time.monotonic() - asked < SILENT_SECONDS
