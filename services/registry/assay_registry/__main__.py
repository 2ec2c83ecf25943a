"""`python -m assay_registry`: serves the registry."""

from __future__ import annotations

from assay_registry.app import create_app
from assay_registry.settings import get_settings
from assay_shared.logs import configure_logs
from assay_shared.serving import serve


def main() -> None:
    """Serves until stopped."""
    settings = get_settings()
    configure_logs("registry", settings.log_level, settings.log_format)
    serve(create_app(settings), settings.host, settings.port, stop_seconds=10)


if __name__ == "__main__":
    main()
