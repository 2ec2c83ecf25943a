"""Runs the web service: `python -m assay_ingest`."""

from __future__ import annotations

import uvicorn

from assay_ingest.app import create_app
from assay_ingest.settings import get_settings
from assay_shared.logs import configure_logs
from assay_shared.web import KEEP_ALIVE_SECONDS


def main() -> None:
    """Serves until stopped."""
    settings = get_settings()
    configure_logs("ingest", settings.log_level, settings.log_format)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


if __name__ == "__main__":
    main()
