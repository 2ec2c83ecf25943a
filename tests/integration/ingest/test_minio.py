"""MinIO's own notifications, delivered to the webhook."""

from __future__ import annotations

import io
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import pytest
from minio.commonconfig import Tags
from pydantic import SecretStr

from assay_ingest.app import create_app
from assay_ingest.settings import IngestSettings
from assay_shared.keys import UPLOADS
from assay_shared.queue import INGEST
from deploy.local.ports import free_port
from tests.integration.ingest.support import APP, make_settings, queued, served
from tests.support.minio import MinioServer
from tests.support.waiting import wait_until


@pytest.fixture
def settings(
    valkey: str, minio_server: MinioServer, tmp_path_factory: pytest.TempPathFactory
) -> IngestSettings:
    token = minio_server.webhook_token
    folder = tmp_path_factory.mktemp("data")
    return make_settings(folder, valkey, minio_server.settings, token, reconcile_seconds=3600)


def webhook(settings: IngestSettings) -> APP:
    """The app with its webhook where this MinIO delivers."""
    app = create_app(settings)

    async def moved(
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        moved_scope = {**scope, "path": "/events/minio"} if scope.get("path") == "/webhook" else scope
        await app(moved_scope, receive, send)

    return moved


def test_every_creation_arrives_once_the_broker_is_there(
    minio_server: MinioServer, settings: IngestSettings
) -> None:
    brand = f"b{secrets.token_hex(6)}"
    names = ["a b+c%20&d.jpg", "päckchen 中.jpg", "sub/fol.der/x.jpg", "empty.jpg", "parts.jpg"]
    sizes = [3, 3, 3, 0, 6_000_000]
    minio_server.notify(UPLOADS)
    away = settings.model_copy(update={"broker_url": SecretStr(f"redis://127.0.0.1:{free_port()}/0")})
    with served(webhook(away), minio_server.webhook_port) as client:
        for name, size in zip(names, sizes, strict=True):
            minio_server.client.put_object(UPLOADS, f"{brand}/u1/{name}", io.BytesIO(bytes(size)), size)
        tags = Tags.new_object_tags()
        tags["checked"] = "yes"
        minio_server.client.set_object_tags(UPLOADS, f"{brand}/u1/{names[0]}", tags)
        wait_until(lambda: 'status="503"' in client.get("/metrics").text, what="a refused delivery")
    broker = settings.broker_url.get_secret_value()

    def arrived() -> dict[str, int]:
        found = [event for event in queued(broker, INGEST) if event["key"].startswith(f"{brand}/")]
        assert len(found) <= len(names)
        return {event["key"]: event["size"] for event in found}

    with served(webhook(settings), minio_server.webhook_port):
        minio_server.client.remove_object(UPLOADS, f"{brand}/u1/{names[1]}")
        minio_server.client.put_object(UPLOADS, f"{brand}/u1/last.jpg", io.BytesIO(b"last"), 4)
        wanted = {f"{brand}/u1/{name}": size for name, size in zip(names, sizes, strict=True)}
        names.append("last.jpg")
        wait_until(lambda: arrived() == {**wanted, f"{brand}/u1/last.jpg": 4}, 60, "all events")
