"""The registry's app in this process, on a real database, store and broker; its background work stands still
unless a test runs it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from assay_registry.app import create_app
from assay_registry.context import Context
from assay_registry.migrate import migrate
from assay_registry.settings import RegistrySettings
from assay_shared.auth import make_key
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore
from tests.integration.registry.support import Registry, TestClient

ADMIN_KEY = make_key()
SERVICE_TOKEN = secrets.token_hex(20)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A migrated SQLite file, copied for each test."""
    path = tmp_path_factory.mktemp("template") / "registry.db"
    migrate(f"sqlite:///{path}")
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    engine.dispose()
    return path.read_bytes()


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: bytes) -> str:
    """A migrated SQLite database of this test alone."""
    path = tmp_path / "registry.db"
    path.write_bytes(sqlite_template)
    return f"sqlite:///{path}"


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database: SQLite, or PostgreSQL where a test asks for both with `both_databases`."""
    if getattr(request, "param", "sqlite") == "sqlite":
        url: str = request.getfixturevalue("sqlite_url")
        return url
    url = request.getfixturevalue("postgres_url")
    migrate(url)
    return url


@pytest.fixture
def settings(
    database_url: str, store_settings: StoreSettings, valkey: str, tmp_path: Path
) -> RegistrySettings:
    """Settings of a registry whose background work sleeps."""
    return RegistrySettings(
        data_dir=tmp_path,
        service_token=SecretStr(SERVICE_TOKEN),
        admin_key_sha256=hashlib.sha256(ADMIN_KEY.encode()).hexdigest(),
        broker_url=SecretStr(valkey),
        database_url=SecretStr(database_url),
        store=store_settings,
        sweep_seconds=3600,
        finish_wait_seconds=0.2,
        max_upload_bytes=4_000_000,
    )


@pytest.fixture
def app(settings: RegistrySettings) -> Iterator[FastAPI]:
    """The registry's app."""
    made = create_app(settings)
    yield made
    made.state.context.database.close()


@pytest.fixture
def context(app: FastAPI) -> Context:
    """What the app's routes work with."""
    found: Context = app.state.context
    return found


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    """Calls as the admin. The app's lifespan does not run, so neither does the background work."""
    return TestClient(app, headers={"Authorization": f"Bearer {ADMIN_KEY}"})


@pytest.fixture
def service(app: FastAPI) -> TestClient:
    """Calls as one of Assay's own services."""
    return TestClient(app, headers={"Authorization": f"Bearer {SERVICE_TOKEN}"})


@pytest.fixture
def registry(app: FastAPI, context: Context, client: TestClient, service: TestClient) -> Registry:
    """A registry with a new brand, whose slug no other test uses."""
    slug = f"b{secrets.token_hex(6)}"
    answer = client.post("/v1/brands", json={"slug": slug, "name": "A brand"})
    assert answer.status_code == 201, answer.text
    return Registry(app, context, client, service, slug)


@pytest.fixture
def without_store(context: Context, app: FastAPI, settings: RegistrySettings) -> Callable[[], Context]:
    """Takes the object store away from the app: nothing listens where it was. Gives the broken context."""

    def cut() -> Context:
        down = settings.store.model_copy(update={"endpoint": "http://127.0.0.1:9"})
        app.state.context = replace(context, store=ObjectStore(down))
        broken: Context = app.state.context
        return broken

    return cut
