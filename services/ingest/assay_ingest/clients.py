"""What handling an object needs: settings, store, registry, queue."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache

from assay_ingest.settings import IngestSettings, get_settings
from assay_shared.queue import TaskQueue
from assay_shared.registry_client import RegistryClient
from assay_shared.storage import ObjectStore

COPY_SECONDS = 60.0
"""Read timeout towards the store: it copies a large original into quarantine before it answers."""


@dataclass(frozen=True)
class Clients:
    """The connections of one process; safe to share between its threads, never across a fork."""

    settings: IngestSettings
    store: ObjectStore
    registry: RegistryClient
    queue: TaskQueue


def make_clients(settings: IngestSettings) -> Clients:
    """Clients for these settings; nothing is connected yet."""
    patient = settings.store.model_copy(
        update={"timeout_seconds": max(settings.store.timeout_seconds, COPY_SECONDS)}
    )
    return Clients(
        settings=settings,
        store=ObjectStore(patient),
        registry=RegistryClient(
            settings.registry_url,
            settings.service_token.get_secret_value(),
            settings.registry_timeout_seconds,
        ),
        queue=TaskQueue(settings.broker_url.get_secret_value()),
    )


def get_clients() -> Clients:
    """The clients of this process, made at its first call: a worker's children fork before that."""
    return _clients_of(os.getpid())


@lru_cache(maxsize=1)
def _clients_of(_pid: int) -> Clients:
    return make_clients(get_settings())
