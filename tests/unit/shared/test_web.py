from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY

from assay_shared.web import KEEP_ALIVE_SECONDS, PROBLEM, install_web

SERVICES = Path(__file__).parents[3] / "services"
SERVERS = [path for path in SERVICES.rglob("*.py") if "uvicorn.run(" in path.read_text()]


def test_a_crash_is_answered_and_counted() -> None:
    app = FastAPI()
    install_web(app, "crashing", {})

    @app.get("/boom")
    async def boom() -> None:
        raise ValueError("a bug")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/boom")

    answer = asyncio.run(ask())
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, PROBLEM)
    assert "a bug" not in answer.text
    labels = {"service": "crashing", "method": "GET", "route": "/boom", "status": "500"}
    assert REGISTRY.get_sample_value("assay_http_requests_total", labels) == 1


@pytest.mark.parametrize("server", SERVERS, ids=lambda path: str(path.relative_to(SERVICES)))
def test_no_server_closes_a_connection_that_its_callers_keep(server: Path) -> None:
    assert KEEP_ALIVE_SECONDS > 120  # which Caddy keeps one; httpx keeps it 5 s
    [call] = re.findall(r"uvicorn\.run\(.*?\n    \)", server.read_text(), re.DOTALL)
    assert "timeout_keep_alive=KEEP_ALIVE_SECONDS," in call


def test_all_servers_are_looked_at() -> None:
    assert len(SERVERS) >= 4
