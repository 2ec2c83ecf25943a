"""What happens to an object that has arrived: the flow of `ingest`, read from here down."""

from __future__ import annotations

import time

from assay_ingest import metrics
from assay_ingest.annotations import ingest_annotation
from assay_ingest.archives import ingest_archive
from assay_ingest.clients import Clients
from assay_ingest.images import ingest_image
from assay_ingest.inbox import find_source
from assay_ingest.names import KINDS_TAKEN, Kind, find_fault, kind_of
from assay_ingest.quarantine import quarantine_source, quarantine_stray, quarantine_unknown
from assay_ingest.settle import settle
from assay_shared import logs
from assay_shared.errors import NotFound
from assay_shared.events import ObjectCreated
from assay_shared.keys import KEPT_PICTURES, UPLOADS, parse_upload_key
from assay_shared.wire import Arrival, ModelPlace, Source

GONE = "gone"
"""The outcome when the original has left the inbox: an event that came twice."""

log = logs.get_logger(__name__)
_HANDLERS = {Kind.IMAGE: ingest_image, Kind.ANNOTATION: ingest_annotation, Kind.ARCHIVE: ingest_archive}


def ingest_object(clients: Clients, event: ObjectCreated) -> str:
    """Handles what lies at the event's key now (it may be newer than the event), and gives the outcome:
    `accepted`, `received`, `quarantined` or `gone`. Doing it twice is as good as once. Raises Unavailable."""
    if event.bucket != UPLOADS:
        return GONE
    started = time.perf_counter()
    upload = parse_upload_key(event.key)
    if upload is None:
        kind, outcome = Kind.OTHER, "quarantined" if quarantine_stray(clients, event.key) else GONE
    else:
        kind = kind_of(upload.name)
        source = find_source(clients, upload, event.request_id)
        arrival = _take_in(clients, kind, source) if source else None
        outcome = arrival.state if arrival else GONE
    metrics.OBJECTS.labels(kind, outcome).inc()
    metrics.SECONDS.labels(kind).observe(time.perf_counter() - started)
    log.info("ingested", key=event.key, kind=kind, outcome=outcome)
    return outcome


def judge_arrived_model(clients: Clients, event: ObjectCreated) -> None:
    """Tells the registry that a model version's `model.json` has arrived. Raises Unavailable."""
    place = parse_model_key(event.key)
    if place is None:
        return
    try:
        judged = clients.registry.judge_model(place)
    except NotFound:
        log.warning("a model of no known run arrived", key=event.key)
    else:
        log.info("model judged", brand=place.brand, version=place.version, state=judged.state)


def parse_model_key(key: str) -> ModelPlace | None:
    """The model version whose `model.json` this key of bucket `models` is, or None for any other key."""
    parts = key.split("/")
    if len(parts) != 3 or parts[2] != "model.json" or not all(parts):
        return None
    return ModelPlace(brand=parts[0], version=parts[1])


def _take_in(clients: Clients, kind: Kind, source: Source) -> Arrival | None:
    try:
        fault = find_fault(source.name)
        if fault:
            return _refuse(
                clients, source, "bad-name", f"The name {source.name[:200]!r} is not taken: {fault}"
            )
        if source.upload == KEPT_PICTURES and kind is not Kind.IMAGE:
            reason = (
                f"The upload {KEPT_PICTURES!r} is reserved for pictures of verifications. Use an upload of "
                "another name."
            )
            return _refuse(clients, source, "reserved-upload", reason)
        handler = _HANDLERS.get(kind)
        if handler is None:
            reason = f"By its name this is no file that is taken here. Upload {KINDS_TAKEN}."
            return _refuse(clients, source, "unsupported-format", reason)
        return handler(clients, source)
    except NotFound as error:
        log.warning("registry knows no such brand", brand=source.brand, error=error.detail)
        return quarantine_unknown(clients, source)


def _refuse(clients: Clients, source: Source, code: str, reason: str) -> Arrival:
    arrival = quarantine_source(clients, source, code, reason)
    settle(clients, arrival)
    return arrival
