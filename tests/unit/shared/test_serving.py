from __future__ import annotations

import socket
from pathlib import Path

import pytest
from starlette.applications import Starlette

from assay_shared.serving import configure_server, serve

SERVICES = Path(__file__).parents[3] / "services"


def test_no_server_closes_a_connection_that_its_callers_keep() -> None:
    assert configure_server(Starlette(), "127.0.0.1", 0).timeout_keep_alive > 120  # Caddy; httpx keeps it 5 s


def test_every_service_serves_like_that() -> None:
    sources = [path.read_text() for path in SERVICES.rglob("*.py")]
    assert not [source for source in sources if "uvicorn" in source.replace("uvicorn.error", "")]
    assert sum("import serve\n" in source for source in sources) == 4


def test_a_port_that_is_taken_is_no_quiet_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(SystemExit) as ended:
        serve(Starlette(), "127.0.0.1", other.getsockname()[1])
    assert ended.value.code
