"""The keys that AWS lends a machine: fetched, kept while they last, and missed with words."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pydantic import SecretStr

from assay_shared.errors import StoreUnavailable
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore, make_credentials
from deploy.local.ports import free_port

ROLE_ADDRESS = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
"""Where a container in AWS asks for the keys of its role (AWS, "Container credential provider")."""
AMAZON = StoreSettings(
    endpoint="https://s3.eu-west-1.amazonaws.com",
    region="eu-west-1",
    access_key="",
    secret_key=SecretStr(""),
)


class Role:
    """Gives keys that last `seconds`, each time others."""

    def __init__(self, seconds: float) -> None:
        self.asked = 0
        role = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                role.asked += 1
                until = datetime.now(UTC) + timedelta(seconds=seconds)
                body = json.dumps(
                    {
                        "AccessKeyId": f"key-{role.asked}",
                        "SecretAccessKey": "secret",
                        "Token": "token",
                        "Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    }
                ).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/keys"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(params=[3600, 1])
def role(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Role, bool]]:
    """A role, and whether its keys last."""
    made = Role(request.param)
    monkeypatch.setenv(ROLE_ADDRESS, made.url)
    yield made, request.param > 60
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_keys_of_the_role_are_asked_for_again_when_they_are_over(role: tuple[Role, bool]) -> None:
    given, lasts = role
    provider = make_credentials(AMAZON)
    found = [provider.retrieve().access_key for _ in range(3)]
    assert found == (["key-1"] * 3 if lasts else ["key-1", "key-2", "key-3"])
    assert given.asked == len(set(found))


def test_a_machine_without_a_role_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ROLE_ADDRESS, f"http://127.0.0.1:{free_port()}/keys")
    with pytest.raises(StoreUnavailable, match=r"no keys for its role.*S3_ACCESS_KEY"):
        ObjectStore(AMAZON).check()


def test_given_keys_are_used_and_nobody_is_asked(role: tuple[Role, bool]) -> None:
    given = AMAZON.model_copy(update={"access_key": "mine", "secret_key": SecretStr("s")})
    assert make_credentials(given).retrieve().access_key == "mine"
    assert role[0].asked == 0
