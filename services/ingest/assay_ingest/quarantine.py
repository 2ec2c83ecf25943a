"""Refused originals: kept in bucket `quarantine`, each with its reason beside it.

The order lets a kill at any line lose nothing, and a repeat gives the same: first the copy, then the reason,
then the record, and only then the original leaves the inbox.
"""

from __future__ import annotations

from assay_ingest.clients import Clients
from assay_ingest.inbox import delete_source, key_of
from assay_shared import logs
from assay_shared.errors import NotFound
from assay_shared.ids import utc_now
from assay_shared.keys import QUARANTINE, UPLOADS, UploadKey, quarantine_key, reason_key
from assay_shared.wire import Arrival, QuarantineArrival, Source

UNKNOWN = "_unknown"
"""The folder of originals that belong to no brand; no brand's slug can start with an underscore."""

log = logs.get_logger(__name__)


def quarantine_source(clients: Clients, source: Source, code: str, reason: str) -> Arrival:
    """Moves an original into quarantine and records it; gives the registry's answer, which may name further
    originals to settle."""
    target = quarantine_key(UploadKey(source.brand, source.upload, source.name), source.etag)
    _keep(clients, source, target, code, reason)
    try:
        arrival = clients.registry.record_quarantine(
            QuarantineArrival(source=source, code=code, reason=reason)
        )
    except NotFound:
        clients.store.delete(QUARANTINE, reason_key(target))
        arrival = quarantine_unknown(clients, source)
        clients.store.delete(QUARANTINE, target)
        return arrival
    delete_source(clients, source)
    log.info("quarantined", key=key_of(source), code=code, reason=reason)
    return arrival


def quarantine_unknown(clients: Clients, source: Source) -> Arrival:
    """Moves an original of no known brand into quarantine; the registry has nobody to record it for."""
    reason = f"There is no brand {source.brand!r}. Create the brand, then upload the file again."
    upload = UploadKey(UNKNOWN, source.brand, f"{source.upload}/{source.name}")
    _keep(clients, source, quarantine_key(upload, source.etag), "unknown-brand", reason)
    delete_source(clients, source)
    log.warning("quarantined", key=key_of(source), code="unknown-brand", reason=reason)
    return Arrival(state="quarantined", code="unknown-brand", reason=reason)


def quarantine_stray(clients: Clients, key: str) -> bool:
    """Moves an object whose key has not the form `{brand}/{upload}/{name}`; False when it is gone."""
    stored = clients.store.stat(UPLOADS, key)
    if stored is None:
        return False
    reason = (
        f"The key {key!r} has not the form brand/upload/name, so nobody knows whose file it is. "
        "Upload it again under such a key."
    )
    target = quarantine_key(UploadKey(UNKNOWN, "_stray", key), stored.etag)
    clients.store.copy((UPLOADS, key), (QUARANTINE, target))
    clients.store.put_json(
        QUARANTINE, reason_key(target), _reason("bad-key", reason, name=key, etag=stored.etag)
    )
    clients.store.delete(UPLOADS, key)
    log.warning("quarantined", key=key, code="bad-key", reason=reason)
    return True


def _keep(clients: Clients, source: Source, target: str, code: str, reason: str) -> None:
    stored = clients.store.stat(UPLOADS, key_of(source))
    if stored and stored.etag == source.etag:
        try:
            clients.store.copy((UPLOADS, key_of(source)), (QUARANTINE, target))
        except NotFound:
            # Another worker, given the same event, has moved it between the two calls.
            log.info("moved by another worker", key=key_of(source))
    told = _reason(code, reason, source.brand, source.upload, source.name, source.etag)
    clients.store.put_json(QUARANTINE, reason_key(target), told)


def _reason(
    code: str, reason: str, brand: str = "", upload: str = "", name: str = "", etag: str = ""
) -> dict[str, str]:
    return {
        "code": code,
        "reason": reason,
        "brand": brand,
        "upload": upload,
        "name": name,
        "etag": etag,
        "at": utc_now().isoformat(),
    }
