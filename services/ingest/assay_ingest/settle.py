"""Carrying out what the registry answers: which originals are done with, and which must leave."""

from __future__ import annotations

from assay_ingest.clients import Clients
from assay_ingest.inbox import delete_source
from assay_ingest.quarantine import quarantine_source
from assay_shared.keys import KEPT_PICTURES
from assay_shared.wire import Arrival


def settle(clients: Clients, arrival: Arrival) -> None:
    """Deletes settled originals (unless they are to be kept; those of kept pictures never are, for they carry
    their metadata) and moves refused ones into quarantine.

    Moving one may make the registry name others (an annotation whose image is gone); each is moved once.
    """
    todo, seen = [arrival], set()
    while todo:
        answer = todo.pop()
        for source in answer.settled:
            if not clients.settings.keep_raw_uploads or source.upload == KEPT_PICTURES:
                delete_source(clients, source)
        for refusal in answer.refused:
            identity = (refusal.source.brand, refusal.source.upload, refusal.source.name, refusal.source.etag)
            if identity not in seen:
                seen.add(identity)
                todo.append(quarantine_source(clients, refusal.source, refusal.code, refusal.reason))
