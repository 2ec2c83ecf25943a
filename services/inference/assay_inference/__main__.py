"""`python -m assay_inference`: serves the verify API. One process; more replicas scale it."""

from __future__ import annotations

import uvicorn

from assay_inference.app import create_app
from assay_inference.settings import Settings
from assay_shared import logs
from assay_shared.web import KEEP_ALIVE_SECONDS


def main() -> None:
    """Runs until SIGTERM or SIGINT; what is in work is answered first."""
    settings = Settings()  # from the environment
    logs.configure_logs("inference", settings.log_level, settings.log_format)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=30,
    )


if __name__ == "__main__":
    main()
