"""The Celery worker: `celery -A assay_ingest.worker worker -Q ingest,events`.

A part that is down is waited for, for ever; an object whose handling fails otherwise becomes a dead letter
after a few tries and stays where it is. An object that kills its worker again and again is quarantined.
"""

from __future__ import annotations

import os
import random
from typing import Any

from celery import Celery, Task
from celery.exceptions import Reject, Retry
from celery.signals import setup_logging, worker_init, worker_process_init
from prometheus_client import CollectorRegistry, multiprocess, start_http_server

from assay_ingest.clients import get_clients
from assay_ingest.crashes import quarantine_killer
from assay_ingest.normalise import read_events
from assay_ingest.notifications import READ_NOTIFICATION, send_events
from assay_ingest.objects import ingest_object, judge_arrived_model
from assay_ingest.settings import get_settings
from assay_shared import logs
from assay_shared.errors import Unavailable
from assay_shared.events import ObjectCreated
from assay_shared.queue import EVENTS, INGEST, INGEST_OBJECT, MODEL_ARRIVED, DeadLetter, make_celery
from assay_shared.worker_health import show_life

MAX_BACKOFF_SECONDS = 30.0
TRIES = 5
"""Tries of a task that fails for no known reason."""
SOFT_SECONDS, HARD_SECONDS = 480, 540
"""Time limits of a task; below the visibility timeout of its queue, which is 600 s."""

log = logs.get_logger(__name__)
app: Celery = make_celery(get_settings().broker_url.get_secret_value(), (INGEST, EVENTS))
show_life(app)
_LIMITS = {"bind": True, "max_retries": None, "soft_time_limit": SOFT_SECONDS, "time_limit": HARD_SECONDS}


@app.task(name=INGEST_OBJECT, **_LIMITS)
def handle_object(task: Task, argument: dict[str, Any]) -> None:
    """Handles an object that arrived in bucket `uploads`."""
    event = _bind(argument)
    try:
        if _came_back(task) and quarantine_killer(get_clients(), event):
            return
        ingest_object(get_clients(), event)
    except Exception as error:
        raise _next_step(task, argument, error) from error


@app.task(name=MODEL_ARRIVED, **_LIMITS)
def handle_model(task: Task, argument: dict[str, Any]) -> None:
    """Handles a `model.json` that arrived in bucket `models`."""
    event = _bind(argument)
    try:
        judge_arrived_model(get_clients(), event)
    except Exception as error:
        raise _next_step(task, argument, error) from error


@app.task(name=READ_NOTIFICATION, **_LIMITS)
def handle_notification(task: Task, argument: dict[str, Any]) -> None:
    """Reads a notification that the web service could not read: a dead letter that a person sends again."""
    try:
        prefix = get_settings().store.bucket_prefix
        send_events(get_clients().queue, read_events(argument["body"]), logs.new_request_id(), prefix)
    except Exception as error:
        raise _next_step(task, argument, error) from error


def backoff_seconds(retries: int) -> float:
    """How long to wait before the next try: doubling from 0.5 s up to MAX_BACKOFF_SECONDS, with jitter so
    that tasks which failed together do not come back together."""
    longest = min(MAX_BACKOFF_SECONDS, 0.5 * 2 ** min(retries, 10))
    return float(longest * random.uniform(0.5, 1.0))  # noqa: S311  (no secret)


def _bind(argument: dict[str, Any]) -> ObjectCreated:
    event = ObjectCreated.model_validate(argument)
    logs.bind_request_id(event.request_id or logs.new_request_id())
    return event


def _came_back(task: Task) -> bool:
    return bool((task.request.delivery_info or {}).get("redelivered"))


def _next_step(task: Task, argument: dict[str, Any], error: Exception) -> Reject | Retry:
    """What the task must raise: a retry, or a rejection when the task is buried or the broker is away."""
    retries = int(task.request.retries or 0)
    waits = isinstance(error, Unavailable)
    # What is down fills the log by itself; a trace is for what nobody expects.
    trace = None if waits else error
    log.warning("task failed", task=task.name, retries=retries, error=str(error), exc_info=trace)
    try:
        if waits or retries + 1 < TRIES:
            again: Retry = task.retry(exc=error, countdown=backoff_seconds(retries), throw=False)
            return again
        get_clients().queue.bury(DeadLetter.of(task.name, argument, error))
        log.error("task buried", task=task.name, argument=argument)
    except (Reject, Unavailable):
        return Reject("the broker takes neither a retry nor a dead letter", requeue=True)
    return Reject(str(error), requeue=False)


@setup_logging.connect
def _configure_logs(**_kwargs: object) -> None:
    settings = get_settings()
    logs.configure_logs("ingest-worker", settings.log_level, settings.log_format)


@worker_init.connect
def _serve_metrics(**_kwargs: object) -> None:
    # Children count in files of their own; the parent adds them up (prometheus_client, multiprocess mode).
    port = get_settings().worker_metrics_port
    if port and os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        start_http_server(port, addr=get_settings().host, registry=registry)


@worker_process_init.connect
def _start_child(**_kwargs: object) -> None:
    # Forked children share the parent's random state; their jitter must differ.
    random.seed()
