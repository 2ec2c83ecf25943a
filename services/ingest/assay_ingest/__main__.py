"""Runs the web service: `python -m assay_ingest`."""

from __future__ import annotations

from assay_ingest.app import create_app
from assay_ingest.settings import get_settings
from assay_shared.logs import configure_logs
from assay_shared.serving import serve


def main() -> None:
    """Serves until stopped."""
    settings = get_settings()
    configure_logs("ingest", settings.log_level, settings.log_format)
    serve(create_app(settings), settings.host, settings.port)


if __name__ == "__main__":
    main()
