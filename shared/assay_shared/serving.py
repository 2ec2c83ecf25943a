"""An app as every service serves it: on a connection that outlives its callers' patience."""

from __future__ import annotations

from typing import Any

import uvicorn
from starlette.types import ASGIApp

KEEP_ALIVE_SECONDS = 150
"""For which an idle connection stays open: longer than any of ours keeps one (Caddy 120 s, httpx 5 s), for
whoever closes first must be the one who sends, or a request meets a closed connection and is lost."""


def configure_server(app: ASGIApp, host: str, port: int, stop_seconds: int | None = None) -> uvicorn.Config:
    """How `serve` has uvicorn serve an app."""
    return uvicorn.Config(app, **_list_options(host, port, stop_seconds))


def serve(app: ASGIApp, host: str, port: int, stop_seconds: int | None = None) -> None:
    """Serves an app until SIGTERM or SIGINT. Raises SystemExit where it cannot start."""
    uvicorn.run(app, **_list_options(host, port, stop_seconds))


def _list_options(host: str, port: int, stop_seconds: int | None) -> dict[str, Any]:
    """Told to stop, uvicorn waits `stop_seconds` for what is in work; None: as long as that takes. Requests
    are logged by the app, with their ids."""
    return {
        "host": host,
        "port": port,
        "log_config": None,
        "access_log": False,
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": stop_seconds,
    }
