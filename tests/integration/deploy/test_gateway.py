"""The gateway, with Caddy itself: who gets which request, and what never gets out."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from deploy.local import parts
from deploy.local.ports import free_port
from deploy.local.supervisor import Program, Supervisor

SEEN_FIRST = threading.Event()


class Upstream(BaseHTTPRequestHandler):
    """Answers with its name and the request's id; under /events it streams and waits for the reader."""

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path == "/events":
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.write(b"data: first\n\n")
            self.wfile.flush()
            answered = SEEN_FIRST.wait(20)
            self.wfile.write(b"data: second\n\n" if answered else b"data: buffered\n\n")
            return
        name = str(self.connection.getsockname()[1])
        body = json.dumps({"upstream": name, "id": self.headers["X-Request-Id"]}).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def upstreams() -> Iterator[tuple[int, int]]:
    """The ports of two services: registry and inference."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Upstream) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    yield servers[0].server_port, servers[1].server_port
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def gateway(
    supervisor: Supervisor, upstreams: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    registry, inference = (f"127.0.0.1:{port}" for port in upstreams)
    with started(supervisor, tmp_path_factory, registry, inference) as client:
        yield client
    supervisor.down("gateway")


def started(
    supervisor: Supervisor, folders: pytest.TempPathFactory, registry: str, inference: str
) -> httpx.Client:
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "HOME": str(folders.mktemp("home"))}
    program = parts.gateway(folders.mktemp("gateway"), port, registry, inference, environment)
    serving = Program(
        "gateway", program.command, program.environment, program.folder, lambda log: "serving" in log
    )
    supervisor.start([serving])
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)


@pytest.mark.parametrize(
    ("method", "path", "upstream"),
    [
        ("POST", "/v1/verifications", 1),
        ("GET", "/v1/verifications", 0),
        ("GET", "/v1/verifications/abc", 0),
        ("POST", "/v1/brands", 0),
        ("GET", "/", 0),
        ("GET", "/internals", 0),
    ],
)
def test_each_request_reaches_its_service(
    gateway: httpx.Client, upstreams: tuple[int, int], method: str, path: str, upstream: int
) -> None:
    assert gateway.request(method, path).json()["upstream"] == str(upstreams[upstream])


@pytest.mark.parametrize(
    "path",
    ["/internal", "/internal/runs", "/metrics", "/livez", "/readyz", "/v1/../internal/runs", "//metrics"],
)
def test_inside_stays_inside(gateway: httpx.Client, path: str) -> None:
    # As it stands: the client would tidy the path up.
    url = gateway.base_url.copy_with(raw_path=path.encode())
    answer = gateway.get(url)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:assay:problem:not-found"


def test_request_id_is_kept_or_made(gateway: httpx.Client) -> None:
    assert gateway.get("/", headers={"X-Request-Id": "my-id.7"}).json()["id"] == "my-id.7"
    made = {gateway.get("/").json()["id"] for _ in range(2)}
    assert len(made) == 2
    evil = gateway.get("/metrics", headers={"X-Request-Id": '"}<script>'})
    assert "script" not in evil.text
    assert evil.json()["request_id"]


def test_events_are_not_held_back(gateway: httpx.Client) -> None:
    with gateway.stream("GET", "/events") as answer:
        lines = (line for line in answer.iter_lines() if line)
        assert next(lines) == "data: first"
        SEEN_FIRST.set()
        assert next(lines) == "data: second"


def test_dead_service_is_unavailable(
    supervisor: Supervisor, gateway: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    supervisor.down("gateway")
    nobody = f"127.0.0.1:{free_port()}"
    with started(supervisor, tmp_path_factory, nobody, nobody) as client:
        answer = client.post("/v1/verifications")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert answer.json()["type"] == "urn:assay:problem:unavailable"
