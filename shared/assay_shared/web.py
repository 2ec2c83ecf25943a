"""What every HTTP service has: problem responses, request ids, `/livez`, `/readyz` and `/metrics`."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from starlette.exceptions import HTTPException

from assay_shared import logs
from assay_shared.errors import AssayError, Unavailable

PROBLEM = "application/problem+json"
TYPE_PREFIX = "urn:assay:problem:"
REQUEST_ID = "X-Request-Id"

REQUESTS = Counter("assay_http_requests", "HTTP requests", ["service", "method", "route", "status"])
SECONDS = Histogram(
    "assay_http_request_seconds",
    "seconds from request to response head",
    ["service", "method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)

log = logs.get_logger(__name__)


def problem(
    status: int,
    type_: str,
    title: str,
    detail: str,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A problem document (RFC 9457); `type_` is the stable slug, `extra` gives further members."""
    body = {
        "type": TYPE_PREFIX + type_,
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": logs.current_request_id(),
        **(extra or {}),
    }
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=PROBLEM)


def install_web(app: FastAPI, service: str, checks: Mapping[str, Callable[[], None]]) -> None:
    """Gives an app its error handlers, request ids, metrics and health routes.

    `checks` are what `/readyz` asks, by name; each blocks for seconds at most and raises when its part is
    not ready.
    """
    app.middleware("http")(_observe(service))
    app.add_exception_handler(AssayError, _handle_assay_error)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(HTTPException, _handle_http_exception)
    app.add_exception_handler(Exception, _handle_crash)

    @app.get("/livez", include_in_schema=False)
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        failed = {}
        for name, check in checks.items():
            try:
                await anyio.to_thread.run_sync(check)
            except AssayError as error:
                failed[name] = error.detail
        body = {"status": "not ready" if failed else "ok", "failed": failed}
        return JSONResponse(body, HTTPStatus.SERVICE_UNAVAILABLE if failed else HTTPStatus.OK)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def error_response(error: AssayError) -> JSONResponse:
    """The problem response of an error of the tree."""
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return problem(error.status, error.type, error.title, error.detail, error.extra, headers)


def _observe(
    service: str,
) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    async def observe(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        sent = request.headers.get(REQUEST_ID, "")
        request_id = sent if sent.isascii() and 0 < len(sent) <= 64 else logs.new_request_id()
        logs.bind_request_id(request_id)
        started = time.perf_counter()
        try:
            response = await call_next(request)
        except Exception:
            # The crash's own handler answers outside of here.
            route = getattr(request.scope.get("route"), "path", "unmatched")
            REQUESTS.labels(service, request.method, route, HTTPStatus.INTERNAL_SERVER_ERROR.value).inc()
            raise
        route = getattr(request.scope.get("route"), "path", "unmatched")
        SECONDS.labels(service, request.method, route).observe(time.perf_counter() - started)
        REQUESTS.labels(service, request.method, route, response.status_code).inc()
        response.headers[REQUEST_ID] = request_id
        return response

    return observe


async def _handle_assay_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AssayError)  # noqa: S101  (registered for this class alone)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, Unavailable):
        log.error("request failed", error=error.detail)
    return error_response(error)


async def _handle_validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  (registered for this class alone)
    errors = [
        {"where": ".".join(str(part) for part in item["loc"]), "what": item["msg"]} for item in error.errors()
    ]
    detail = "; ".join(f"{item['where']}: {item['what']}" for item in errors[:5])
    return problem(422, "invalid-request", "Invalid request", detail, {"errors": errors[:100]})


async def _handle_http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  (registered for this class alone)
    status = HTTPStatus(error.status_code)
    slug = status.phrase.lower().replace(" ", "-")
    return problem(error.status_code, slug, status.phrase, str(error.detail), headers=error.headers)


async def _handle_crash(_request: Request, error: Exception) -> Response:
    log.error("request crashed", exc_info=error)
    return problem(
        500, "internal", "Internal error", "Something failed inside Assay; the log has it under request_id"
    )
