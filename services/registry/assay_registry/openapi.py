"""One OpenAPI document for the whole API: the registry's routes and the verify API's; and a page of it."""

from __future__ import annotations

import threading
import time
from html import escape
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse

from assay_shared import logs

KEPT_SECONDS = 60.0
RETRY_SECONDS = 5.0
TIMEOUT_SECONDS = 2.0
METHODS = ("get", "post", "put", "patch", "delete")
DESCRIPTION = """Assay tells genuine products from counterfeits in photos.

Send an API key as `Authorization: Bearer KEY`. Errors are problem documents (RFC 9457) with a stable `type`.
Lists come by page: send `next_cursor` as `cursor`. A POST that creates honours `Idempotency-Key`."""

log = logs.get_logger(__name__)


class OtherPart:
    """The verify API's own document, fetched when needed and kept for a minute; empty while it is away."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/") + "/openapi.json" if url else ""
        self._lock = threading.Lock()
        self._document: dict[str, Any] = {}
        self._due = 0.0

    def get(self) -> dict[str, Any]:
        """The document, or an empty one."""
        if not self._url:
            return {}
        with self._lock:
            if time.monotonic() >= self._due:
                self._fetch()
            return self._document

    def _fetch(self) -> None:
        try:
            answer = httpx.get(self._url, timeout=TIMEOUT_SECONDS)
            answer.raise_for_status()
            document = answer.json()
            if not isinstance(document, dict):
                raise TypeError("the document is no object")
        except (httpx.HTTPError, ValueError, TypeError) as error:
            log.warning("the verify API's document is missing", error=str(error))
            self._document, wait = {}, RETRY_SECONDS
        else:
            self._document, wait = document, KEPT_SECONDS
        self._due = time.monotonic() + wait


def install_openapi(app: FastAPI) -> None:
    """Adds `GET /v1/openapi.json` and `GET /docs`. Call it after all public routes are there."""
    other = OtherPart(app.state.context.settings.inference_url)

    @app.get("/v1/openapi.json", include_in_schema=False)
    def show_document() -> JSONResponse:
        return JSONResponse(merge(_describe(app), other.get()))

    @app.get("/docs", include_in_schema=False)
    def show_docs() -> HTMLResponse:
        page = render_docs(merge(_describe(app), other.get()))
        policy = "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'"
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})


def merge(own: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """One document of two; where both define the same, the own counts."""
    paths = {path: dict(item) for path, item in own.get("paths", {}).items()}
    for path, item in other.get("paths", {}).items():
        if path.startswith("/v1/"):
            paths[path] = {**item, **paths.get(path, {})}
    components = dict(own.get("components", {}))
    for kind, entries in other.get("components", {}).items():
        components[kind] = {**entries, **components.get(kind, {})}
    return {**own, "paths": paths, "components": components}


def render_docs(document: dict[str, Any]) -> str:
    """The page of a document: its routes with what they do, and the fields of what travels."""
    routes = [
        (path, method, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]
    groups: dict[str, list[str]] = {}
    for path, method, operation in routes:
        group = next(iter(operation.get("tags", [])), "other")
        groups.setdefault(group, []).append(_render_route(path, method, operation))
    schemas = document.get("components", {}).get("schemas", {})
    sections = "".join(
        f"<section class='card'><h2>{escape(group)}</h2>{''.join(found)}</section>"
        for group, found in groups.items()
    )
    records = "".join(_render_schema(name, schema) for name, schema in sorted(schemas.items()))
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'><title>Assay API</title>"
        "<link rel='icon' href='/static/icon.svg'><link rel='stylesheet' href='/static/style.css'></head>"
        f"<body><main><h1>Assay API</h1><p>{escape(document['info'].get('description', ''))}</p>"
        "<p>For programs: <a href='/v1/openapi.json'>/v1/openapi.json</a></p>"
        f"{sections}<section class='card'><h2>Records</h2>{records}</section></main></body></html>"
    )


def _describe(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes
        )
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["key"] = {"type": "http", "scheme": "bearer", "description": "an API key"}
        document["security"] = [{"key": []}]
        app.openapi_schema = document
    return app.openapi_schema


def _render_route(path: str, method: str, operation: dict[str, Any]) -> str:
    asked = ", ".join(
        escape(parameter["name"] + ("" if parameter.get("required") else "?"))
        for parameter in operation.get("parameters", [])
        if parameter.get("in") in {"query", "header"}
    )
    body = _name_schema(operation.get("requestBody", {}))
    answers = ", ".join(
        f"{escape(status)} {_name_schema(answer)}"
        for status, answer in operation.get("responses", {}).items()
    )
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code> "
        f"{escape(operation.get('summary', ''))}</summary><p>{escape(operation.get('description', ''))}</p>"
        + (f"<p>Parameters: {asked}</p>" if asked else "")
        + (f"<p>Body: {body}</p>" if body else "")
        + f"<p>Answers: {answers}</p></details>"
    )


def _name_schema(holder: dict[str, Any]) -> str:
    """The kind of a body: a link to its record where it has one."""
    for content_type, content in holder.get("content", {}).items():
        reference = content.get("schema", {}).get("$ref", "")
        name = reference.rpartition("/")[2]
        return (
            f"<a href='#{escape(name)}'>{escape(name)}</a>"
            if name
            else f"<code>{escape(content_type)}</code>"
        )
    return ""


def _render_schema(name: str, schema: dict[str, Any]) -> str:
    fields = "".join(
        f"<li><code>{escape(field)}</code>{'' if field in schema.get('required', []) else ' (optional)'} "
        f"{escape(str(part.get('description', '')))}</li>"
        for field, part in schema.get("properties", {}).items()
    )
    values = escape(", ".join(str(value) for value in schema.get("enum", [])))
    return (
        f"<details id='{escape(name)}'><summary><b>{escape(name)}</b></summary>"
        f"<p>{escape(schema.get('description', ''))}</p><p>{values}</p><ul>{fields}</ul></details>"
    )
