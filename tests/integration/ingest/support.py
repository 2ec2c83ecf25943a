"""A brand's upload, as the bucket, the registry and a person see it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import redis
import uvicorn
from pydantic import SecretStr

from assay_ingest.clients import Clients
from assay_ingest.inbox import find_source
from assay_ingest.objects import ingest_object
from assay_ingest.settings import IngestSettings
from assay_shared.events import ObjectCreated
from assay_shared.keys import QUARANTINE, UPLOADS, UploadKey
from assay_shared.serving import configure_server
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore
from deploy.local.ports import free_port
from deploy.local.supervisor import Program
from tests.support.waiting import wait_until

APP = Any
"""An ASGI application."""


def make_settings(
    folder: Path, broker: str, store: StoreSettings, webhook_token: str, **given: Any
) -> IngestSettings:
    """The web service's settings, with a registry that is not there; `given`: further ones."""
    return IngestSettings(
        data_dir=folder,
        service_token=SecretStr("a-token-of-services"),
        admin_key_sha256="0" * 64,
        broker_url=SecretStr(broker),
        registry_url=f"http://127.0.0.1:{free_port()}",
        webhook_token=SecretStr(webhook_token),
        store=store,
        **given,
    )


@contextmanager
def served(app: APP, port: int | None = None) -> Iterator[httpx.Client]:
    """Serves an app on a thread, and gives a client of it."""
    port = port or free_port()
    server = uvicorn.Server(configure_server(app, "127.0.0.1", port))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, what="the app serves")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@dataclass(frozen=True)
class Registry:
    """A running registry."""

    url: str
    admin_key: str
    program: Program

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """A call as the admin; fails unless it succeeds."""
        headers = {"Authorization": f"Bearer {self.admin_key}"}
        response = httpx.request(method, self.url + path, json=body, headers=headers, trust_env=False)
        assert response.is_success, response.text
        return response.json() if response.content else None


@dataclass
class Inbox:
    """One upload of one brand, seen by its files' names."""

    clients: Clients
    registry: Registry
    brand: str
    upload: str = "bulk-1"
    originals: dict[str, list[bytes]] = field(default_factory=dict)

    @property
    def store(self) -> ObjectStore:
        return self.clients.store

    def key(self, name: str) -> str:
        return str(UploadKey(self.brand, self.upload, name))

    def put(self, name: str, data: bytes) -> None:
        """Writes a file into the bucket as a bulk user does."""
        self.store.put(UPLOADS, self.key(name), data)
        self.originals.setdefault(name, []).append(data)

    def ingest(self, name: str) -> str:
        """Handles the file's event; gives the outcome."""
        source = find_source(self.clients, UploadKey(self.brand, self.upload, name), "test-request")
        etag, size = (source.etag, source.size) if source else ("none", 0)
        event = ObjectCreated(
            bucket=UPLOADS, key=self.key(name), etag=etag, size=size, request_id="test-request"
        )
        return ingest_object(self.clients, event)

    def waiting(self) -> list[str]:
        """The names that lie in the bucket."""
        prefix = f"{self.brand}/{self.upload}/"
        return [found.key.removeprefix(prefix) for found in self.store.list(UPLOADS, prefix)]

    def upload_record(self) -> dict[str, Any]:
        """What the registry's API says of the upload."""
        found: dict[str, Any] = self.registry.call("GET", f"/v1/brands/{self.brand}/uploads/{self.upload}")
        return found

    def images(self, state: str = "") -> list[dict[str, Any]]:
        """The brand's images by the registry's API."""
        query = f"?state={state}" if state else ""
        found: list[dict[str, Any]] = self.registry.call("GET", f"/v1/brands/{self.brand}/images{query}")[
            "items"
        ]
        return found

    def quarantined(self) -> dict[str, tuple[dict[str, Any], bytes]]:
        """The reason and the kept original of each refused file, by name."""
        found = {}
        for stored in self.store.list(QUARANTINE, f"{self.brand}/"):
            if stored.key.endswith(".reason.json"):
                reason = self.store.get_json(QUARANTINE, stored.key)
                assert isinstance(reason, dict)
                original = self.store.get(QUARANTINE, stored.key.removesuffix(".reason.json"))
                found[reason["name"]] = (reason, original)
        return found


def queued(url: str, queue: str) -> list[dict[str, Any]]:
    """The events in a queue of the broker."""
    with redis.Redis.from_url(url) as broker:
        letters = [json.loads(letter) for letter in broker.lrange(queue, 0, -1)]
    return [json.loads(base64.b64decode(letter["body"]))[0][0] for letter in letters]
