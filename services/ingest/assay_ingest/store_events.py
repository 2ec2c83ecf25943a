"""The events of AWS S3, from the SQS queue that its buckets tell of new objects.

The same bodies as at the webhook, and the same tasks. A message leaves the queue when the broker has its
tasks: one that comes twice, late or out of order does what it does at the webhook, and one that is lost is
found by the reconcile scan.
"""

from __future__ import annotations

from assay_ingest.clients import Clients
from assay_ingest.notifications import accept_notification
from assay_shared import logs
from assay_shared.aws_queue import QueueReader

PAUSE_SECONDS = 5.0
"""After a queue or a broker that does not answer, until the queue is asked again."""


def read_store_events(clients: Clients, pause_seconds: float = PAUSE_SECONDS) -> QueueReader:
    """What reads the queue of these settings, not started yet."""
    settings = clients.settings

    def handle(body: str) -> None:
        prefix = settings.store.bucket_prefix
        accept_notification(clients.queue, body.encode(), logs.new_request_id(), prefix)

    return QueueReader(
        settings.store_events_queue_url,
        settings.store.region,
        handle,
        trouble="events of the store are not read, the reconcile scan finds what they tell of",
        pause_seconds=pause_seconds,
    )
