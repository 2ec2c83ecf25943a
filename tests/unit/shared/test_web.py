from __future__ import annotations

import asyncio

import httpx
from fastapi import FastAPI
from prometheus_client import REGISTRY

from assay_shared.web import PROBLEM, install_web


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
