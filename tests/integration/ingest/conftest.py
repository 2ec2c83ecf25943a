"""A real registry (its own process, SQLite), the real store and broker, and the clients of `ingest`."""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay_ingest.clients import Clients, make_clients
from assay_ingest.settings import IngestSettings
from assay_shared.auth import make_key
from assay_shared.settings import StoreSettings
from deploy.local.parts import answers_at
from deploy.local.ports import free_port
from deploy.local.supervisor import Program, Supervisor
from tests.integration.ingest.support import Inbox, Registry


@pytest.fixture(scope="session")
def ingest_environment(
    store_settings: StoreSettings, valkey_server: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The environment of the registry and of `ingest`, as in a deployment; broker database 1."""
    admin_key = make_key()
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "S3_ENDPOINT": store_settings.endpoint,
        "S3_ACCESS_KEY": store_settings.access_key,
        "S3_SECRET_KEY": store_settings.secret_key.get_secret_value(),
        "ASSAY_BROKER_URL": f"{valkey_server}/1",
        "ASSAY_DATABASE_URL": f"sqlite:///{tmp_path_factory.mktemp('registry') / 'registry.db'}",
        "ASSAY_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "ASSAY_SERVICE_TOKEN": secrets.token_hex(20),
        "ASSAY_WEBHOOK_TOKEN": secrets.token_hex(20),
        "ASSAY_ADMIN_KEY_SHA256": hashlib.sha256(admin_key.encode()).hexdigest(),
        "ASSAY_TEST_ADMIN_KEY": admin_key,
        "ASSAY_PORT": str(free_port()),
    }


@pytest.fixture(scope="session")
def registry(ingest_environment: dict[str, str], supervisor: Supervisor) -> Registry:
    """The registry."""
    url = f"http://127.0.0.1:{ingest_environment['ASSAY_PORT']}"
    ingest_environment["ASSAY_REGISTRY_URL"] = url
    folder = Path(ingest_environment["ASSAY_DATA_DIR"])
    migrate = Program(
        "ingest-tests-migrate", [sys.executable, "-m", "assay_registry.migrate"], ingest_environment, folder
    )
    supervisor.run(migrate)
    serve = [sys.executable, "-m", "assay_registry"]
    program = Program("ingest-tests-registry", serve, ingest_environment, folder, answers_at(f"{url}/readyz"))
    supervisor.start([program])
    return Registry(url, ingest_environment["ASSAY_TEST_ADMIN_KEY"], program)


@pytest.fixture
def clients(
    registry: Registry, ingest_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Clients]:
    """The clients of one `ingest` process."""
    for name, value in ingest_environment.items():
        if name.startswith(("ASSAY_", "S3_")):
            monkeypatch.setenv(name, value)
    made = make_clients(IngestSettings())
    yield made
    made.registry.close()


@pytest.fixture
def inbox(clients: Clients, registry: Registry) -> Inbox:
    """An empty upload of a new brand."""
    brand = f"b{secrets.token_hex(6)}"
    registry.call("POST", "/v1/brands", {"slug": brand, "name": "A brand"})
    return Inbox(clients, registry, brand)
