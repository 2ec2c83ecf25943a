"""`python -m assay_inference`: serves the verify API. One process; more replicas scale it."""

from __future__ import annotations

from assay_inference.app import create_app
from assay_inference.settings import Settings
from assay_shared import logs
from assay_shared.serving import serve


def main() -> None:
    """Runs until SIGTERM or SIGINT; what is in work is answered first."""
    settings = Settings()  # from the environment
    logs.configure_logs("inference", settings.log_level, settings.log_format)
    serve(create_app(settings), settings.host, settings.port, stop_seconds=30)


if __name__ == "__main__":
    main()
