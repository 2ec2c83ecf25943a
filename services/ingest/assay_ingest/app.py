"""The web service of `ingest`: takes bucket notifications, by webhook or from a queue of AWS, and scans the
inbox for what none told of.

An answer of 2xx means that the broker has the task. MinIO's sender retries for ever and stops at the first
answer that is not 2xx, so a body that cannot be read is kept as a dead letter and answered 2xx as well;
only a missing broker (503), a wrong token (401) and a body over the limit (413) are not.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI, Request

from assay_ingest.clients import make_clients
from assay_ingest.notifications import accept_notification
from assay_ingest.queue_metrics import QueueMeter
from assay_ingest.reconcile import Reconciler
from assay_ingest.settings import IngestSettings, get_settings
from assay_ingest.store_events import read_store_events
from assay_shared import auth, logs
from assay_shared.errors import NotAuthenticated, TooLarge
from assay_shared.web import install_web

MAX_NOTIFICATION_BYTES = 1 << 20
"""SQS carries 256 KB, EventBridge 256 KB, MinIO one record of about 2 KB."""


def create_app(settings: IngestSettings | None = None) -> FastAPI:
    """The application; settings come from the environment unless given."""
    settings = settings or get_settings()
    token = settings.webhook_token.get_secret_value()
    bucket_prefix = settings.store.bucket_prefix
    clients = make_clients(settings)
    reconciler = Reconciler(clients)
    meter = QueueMeter(settings.broker_url.get_secret_value())
    events = read_store_events(clients) if settings.store_events_queue_url else None

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        reconciler.start()
        meter.start()
        if events is not None:
            events.start()
        yield
        if events is not None:
            events.stop()
        meter.stop()
        reconciler.stop()
        clients.registry.close()

    app = FastAPI(title="Assay ingest", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    install_web(app, "ingest", {"broker": clients.queue.check, "store": clients.store.check})

    @app.post("/events/minio")
    @app.post("/events/s3")
    async def receive_notification(request: Request) -> dict[str, int]:
        sent = auth.read_key(request.headers.get("authorization"))
        if sent is None or not hmac.compare_digest(sent.encode(), token.encode()):
            raise NotAuthenticated("Send the webhook's token as `Authorization: Bearer TOKEN`")
        body = await _read_body(request)
        request_id = logs.current_request_id()
        queued = await anyio.to_thread.run_sync(
            accept_notification, clients.queue, body, request_id, bucket_prefix
        )
        return {"queued": queued}

    return app


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_NOTIFICATION_BYTES:
            raise TooLarge(f"A notification has at most {MAX_NOTIFICATION_BYTES} bytes")
    return bytes(body)
