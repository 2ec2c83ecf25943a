"""Originals that kill whoever reads them (a codec's crash, all memory taken): the broker would hand them out
again for ever, so after a few times they go to quarantine."""

from __future__ import annotations

import hashlib

import redis

from assay_ingest.clients import Clients
from assay_ingest.inbox import find_source
from assay_ingest.quarantine import quarantine_source
from assay_ingest.settle import settle
from assay_shared.errors import BrokerUnavailable
from assay_shared.events import ObjectCreated
from assay_shared.keys import parse_upload_key

MAX_REDELIVERIES = 5
"""A worker that is killed for another reason takes its object along once; five times is the object's own."""
FORGET_SECONDS = 86_400


def quarantine_killer(clients: Clients, event: ObjectCreated) -> bool:
    """Counts that an object was handed out again after its worker died; quarantines it when that has
    happened too often, and says whether it has. Raises Unavailable."""
    identity = hashlib.sha256(f"{event.bucket}/{event.key}/{event.etag}".encode()).hexdigest()
    if _count(clients, f"assay:redelivered:{identity}") <= MAX_REDELIVERIES:
        return False
    upload = parse_upload_key(event.key)
    source = find_source(clients, upload, event.request_id) if upload else None
    if source is None:
        return False
    reason = (
        f"Reading this file ended the worker {MAX_REDELIVERIES} times. It may be made to do harm, or need "
        "more memory than there is. Export the picture again from another program."
    )
    settle(clients, quarantine_source(clients, source, "unreadable", reason))
    return True


def _count(clients: Clients, name: str) -> int:
    url = clients.settings.broker_url.get_secret_value()
    try:
        with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=3) as broker:
            count = int(broker.incr(name))
            broker.expire(name, FORGET_SECONDS)
            return count
    except (redis.RedisError, OSError) as error:
        raise BrokerUnavailable("The broker does not count deliveries") from error
