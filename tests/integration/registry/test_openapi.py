from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from fastapi import FastAPI

from assay_registry.openapi import OtherPart, merge, render_docs
from tests.integration.registry.support import TestClient

OTHER = {
    "paths": {
        "/v1/verifications": {"post": {"summary": "Judge a <picture>", "responses": {}}},
        "/livez": {"get": {}},
    },
    "components": {"schemas": {"Verdict": {"enum": ["genuine"]}}},
}


@pytest.fixture
def other_service() -> Iterator[str]:
    """A server that has a document of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/openapi.json" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(OTHER).encode())

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_one_document_for_the_whole_api(app: FastAPI, client: TestClient, other_service: str) -> None:
    own = client.get("/v1/openapi.json").json()
    assert "/v1/brands/{brand}/uploads/{upload}/files/{name}" in own["paths"]
    assert not any(path.startswith(("/internal", "/livez", "/login")) for path in own["paths"])
    merged = merge(own, OtherPart(other_service).get())
    assert "post" in merged["paths"]["/v1/verifications"]
    assert "/livez" not in merged["paths"]
    assert {"Verdict", "Brand"} <= set(merged["components"]["schemas"])
    page = render_docs(merged)
    assert "Judge a &lt;picture&gt;" in page


def test_every_public_route_says_what_it_does(client: TestClient) -> None:
    for path, item in client.get("/v1/openapi.json").json()["paths"].items():
        for method, operation in item.items():
            assert operation.get("summary"), (method, path)
            assert operation.get("description"), (method, path)


def test_the_own_part_stands_alone() -> None:
    assert OtherPart("http://127.0.0.1:9").get() == {}
    assert OtherPart("").get() == {}


def test_the_page_needs_no_other_site(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "/v1/brands/{brand}/products/{gtin}" in page
    assert "http://" not in page
    assert "https://" not in page
