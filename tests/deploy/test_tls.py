"""HTTPS at the gateway, with a certificate of its own authority and with one of the operator's."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.box import Box

pytestmark = pytest.mark.timeout(2400)
ISSUED = "/data/caddy/certificates/local/localhost/localhost"
AUTHORITY = "/data/caddy/pki/authorities/local/root.crt"


@pytest.fixture(scope="module")
def secured(box: Box) -> Iterator[Box]:
    """The box with TLS for the host name localhost."""
    files, bind, port = (box.setting(name) for name in ("COMPOSE_FILE", "BIND_ADDRESS", "HTTP_PORT"))
    https = str(box.ports.get("https"))
    box.make(
        "tls-on",
        ASSAY_HOSTNAME="localhost",
        ASSAY_TLS="internal",
        BIND_ADDRESS="127.0.0.1",
        HTTP_PORT=str(box.ports.get("http")),
        HTTPS_PORT=https,
    )
    box.set(ASSAY_S3_ADDRESS="https://localhost:9000")
    assert f"Assay is ready: https://localhost:{https}" in box.make("up")
    yield box
    box.make("tls-off")
    assert box.setting("COMPOSE_FILE") == files
    box.set(BIND_ADDRESS=bind, HTTP_PORT=port, ASSAY_S3_ADDRESS="http://:9000")
    box.make("up")


def authority_of(box: Box, folder: Path) -> ssl.SSLContext:
    """Trust in the gateway's own authority and in nobody else."""
    file = folder / "root.crt"
    file.write_text(box.compose("exec", "-T", "gateway", "cat", AUTHORITY))
    return ssl.create_default_context(cafile=str(file))


def connect(box: Box, trust: ssl.SSLContext, port: str = "HTTPS_PORT") -> httpx.Client:
    return httpx.Client(base_url=f"https://localhost:{box.setting(port)}", verify=trust, trust_env=False)


def test_https_with_the_gateways_own_authority(secured: Box, tmp_path: Path) -> None:
    with connect(secured, authority_of(secured, tmp_path)) as https:
        answer = https.get("/login")
        assert answer.status_code == 200
        logged_in = https.post("/login", data={"key": secured.admin_key})
        assert "; Secure" in logged_in.headers["Set-Cookie"], "the registry knows that it is served over TLS"
    plain = httpx.get(f"http://localhost:{secured.setting('HTTP_PORT')}/login", trust_env=False)
    assert plain.status_code == 308
    assert plain.headers["Location"].startswith("https://localhost")


def test_https_with_the_operators_certificate(secured: Box, tmp_path: Path) -> None:
    folder = secured.folder / "certificates"
    folder.mkdir()
    for name, kind in (("fullchain.pem", "crt"), ("privkey.pem", "key")):
        file = folder / name
        file.write_text(secured.compose("exec", "-T", "gateway", "cat", f"{ISSUED}.{kind}"))
        file.chmod(0o644)
    secured.set(ASSAY_TLS="own", ASSAY_CERTIFICATES="./certificates")
    secured.make("up")
    trust = authority_of(secured, tmp_path)
    with connect(secured, trust) as https, connect(secured, trust, "S3_PORT") as door:
        answer = https.get("/login")
        assert answer.status_code == 200
        assert answer.headers["Strict-Transport-Security"]
        refused = door.get("/images/")
        assert refused.status_code == 403
        assert "Only the bucket uploads" in refused.text
