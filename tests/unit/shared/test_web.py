from __future__ import annotations

from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY

from assay_shared.web import PROBLEM, install_web


def test_a_crash_is_answered_and_counted() -> None:
    app = FastAPI()
    install_web(app, "crashing", {})

    @app.get("/boom")
    async def boom() -> None:
        raise ValueError("a bug")

    answer = TestClient(app, raise_server_exceptions=False).get("/boom")
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, PROBLEM)
    assert "a bug" not in answer.text
    labels = {"service": "crashing", "method": "GET", "route": "/boom", "status": "500"}
    assert REGISTRY.get_sample_value("assay_http_requests_total", labels) == 1
