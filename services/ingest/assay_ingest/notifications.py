"""From a notification's body to durable tasks. What cannot be read is kept as a dead letter: refusing it
would block MinIO's queue behind it, dropping it could lose an upload."""

from __future__ import annotations

from assay_ingest import metrics
from assay_ingest.normalise import read_events
from assay_ingest.objects import parse_model_key
from assay_shared import logs
from assay_shared.errors import InvalidRequest
from assay_shared.events import ObjectCreated
from assay_shared.keys import MODELS, UPLOADS, read_bucket
from assay_shared.queue import INGEST_OBJECT, MODEL_ARRIVED, DeadLetter, TaskQueue

READ_NOTIFICATION = "assay.ingest.read_notification"
"""Task of queue `ingest`, made only by sending a dead letter again: `{"body": text}`."""

log = logs.get_logger(__name__)


def accept_notification(queue: TaskQueue, body: bytes, request_id: str, bucket_prefix: str) -> int:
    """Queues a task for every object that the body tells of and gives their number; when this returns, the
    broker has them. `bucket_prefix` is the store's. Raises BrokerUnavailable."""
    try:
        events = read_events(body)
    except InvalidRequest as error:
        metrics.EVENTS.labels("buried").inc()
        log.warning("notification cannot be read", error=error.detail)
        text = body.decode("utf-8", errors="backslashreplace")
        queue.bury(DeadLetter.of(READ_NOTIFICATION, {"body": text}, error))
        return 0
    return send_events(queue, events, request_id, bucket_prefix)


def send_events(queue: TaskQueue, told: list[ObjectCreated], request_id: str, bucket_prefix: str) -> int:
    """Queues the task of each event that concerns Assay; gives their number. The buckets of `told` are called
    as in the store, those of the tasks as in Assay. Raises BrokerUnavailable."""
    sent = 0
    for event in told:
        own = take_own(event, bucket_prefix)
        task = task_for(own) if own else None
        if own is None or task is None:
            metrics.EVENTS.labels("ignored").inc()
            continue
        named = own if own.request_id else own.model_copy(update={"request_id": request_id})
        queue.send(task, named.model_dump(mode="json"))
        metrics.EVENTS.labels("queued").inc()
        sent += 1
    return sent


def take_own(event: ObjectCreated, bucket_prefix: str) -> ObjectCreated | None:
    """The event with Assay's own name of its bucket; None, and a line in the log, for another's bucket."""
    bucket = read_bucket(event.bucket, bucket_prefix)
    if bucket is None:
        log.warning(
            "event of a bucket that is none of ours, left alone",
            bucket=event.bucket,
            bucket_prefix=bucket_prefix,
            key=event.key,
        )
        return None
    return event.model_copy(update={"bucket": bucket})


def task_for(event: ObjectCreated) -> str | None:
    """Which task an object's arrival asks for; None when it concerns nobody."""
    if event.bucket == UPLOADS and not event.key.endswith("/"):
        return INGEST_OBJECT
    if event.bucket == MODELS and parse_model_key(event.key):
        return MODEL_ARRIVED
    return None
