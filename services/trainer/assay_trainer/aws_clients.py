"""The clients of one backend, made anew when AWS says that the credentials are over."""

from __future__ import annotations

import threading
from typing import Any

from assay_shared.aws import make_client


class AwsClients:
    """Clients by service name (`sagemaker`, `s3`, `logs`), each made when it is first asked for."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()

    def get(self, service: str) -> Any:
        """The client of a service; safe to share between threads."""
        with self._lock:
            if service not in self._made:
                self._made[service] = make_client(service, self._region)
            return self._made[service]

    def renew(self) -> None:
        """Forgets them all: a client reads the credentials file once, and a person may have mended it."""
        with self._lock:
            self._made.clear()
