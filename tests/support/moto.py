"""AWS's S3, SQS, ECR, IAM, STS and CloudWatch Logs as moto plays them, on a port of this process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from moto.server import ThreadedMotoServer


@contextmanager
def run_moto(address: str = "127.0.0.1") -> Iterator[str]:
    """Gives its URL. Empty at first, whatever a test before left: moto's state is the process's, so there is
    one at a time."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(address, 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        httpx.post(f"{url}/moto-api/reset", trust_env=False).raise_for_status()
        yield url
    finally:
        server.stop()
