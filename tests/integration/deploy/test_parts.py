"""The parts that tests and the embedded stack stand on, started for real."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from assay_shared.keys import BUCKETS, IMAGES, UPLOADS
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore
from tests.support.minio import MinioServer
from tests.support.waiting import wait_until


def test_store_keeps_and_lists(object_store: ObjectStore) -> None:
    object_store.put(IMAGES, "parts/a b+c.txt", b"text")
    assert [found.key for found in object_store.list(IMAGES, "parts/")] == ["parts/a b+c.txt"]
    assert object_store.get(IMAGES, "parts/a b+c.txt") == b"text"


def test_store_refuses_strangers(store_settings: StoreSettings) -> None:
    assert httpx.get(f"{store_settings.endpoint}/{BUCKETS[0]}").status_code == 403


def test_broker_wants_its_password(valkey: str) -> None:
    with redis.Redis.from_url(valkey) as client:
        client.set("key", "value")
        assert client.get("key") == b"value"
        port = client.connection_pool.connection_kwargs["port"]
    with redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as stranger:
        try:
            stranger.ping()
        except redis.AuthenticationError:
            return
    raise AssertionError("the broker answered without a password")


def test_postgres_databases_are_apart(postgres_url: str) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,)


def test_minio_tells_its_webhook(minio_server: MinioServer) -> None:
    told: list[tuple[str, bytes]] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.append((self.headers["Authorization"], body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", minio_server.webhook_port), Webhook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            minio_server.notify(UPLOADS)
            minio_server.store.put(UPLOADS, "parts/1/a b.jpg", b"x")
            wait_until(lambda: told, 20, "the webhook is told")
        finally:
            server.shutdown()
            thread.join()
    authorization, body = told[0]
    assert authorization == f"Bearer {minio_server.webhook_token}"
    assert b"parts%2F1%2Fa+b.jpg" in body
