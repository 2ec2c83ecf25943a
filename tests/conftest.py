"""The real parts that tests run on, each started once a session and only when a test asks for it.

What is missing is a failure, never a skip. Parts are shared between tests: a test takes a brand, a key
prefix or a database of its own.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import redis
from pydantic import SecretStr

from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore
from deploy.local import parts
from deploy.local.ports import Ports, free_port
from deploy.local.supervisor import Supervisor
from tests.support.minio import MinioServer, running_minio
from tests.support.postgres import Postgres, running_postgres

# How long an example takes says how busy the machine is, and nothing about the code.
hypothesis.settings.register_profile(
    "assay", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("assay")

pytest_plugins = ["tests.support.stack"]
WEBHOOK_PATH = "/webhook"


@pytest.fixture(scope="session")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """Runs the parts; nothing is left when the session ends, even by kill -9."""
    running = Supervisor(tmp_path_factory.mktemp("supervisor"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def store_settings(supervisor: Supervisor, tmp_path_factory: pytest.TempPathFactory) -> StoreSettings:
    """How to reach the object store (SeaweedFS); the five buckets are there."""
    ports = Ports()
    settings = StoreSettings(
        endpoint=f"http://127.0.0.1:{ports.get('s3')}",
        access_key="assay-tests",
        secret_key=SecretStr(secrets.token_hex(20)),
    )
    folder = tmp_path_factory.mktemp("store")
    supervisor.start([parts.object_store(folder, settings, ports, _environment())])
    return settings


@pytest.fixture(scope="session")
def object_store(store_settings: StoreSettings) -> ObjectStore:
    """The object store (SeaweedFS)."""
    return ObjectStore(store_settings)


@pytest.fixture(scope="session")
def valkey_server(supervisor: Supervisor, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The broker's address without the number of a database: `redis://:password@host:port`."""
    port, password = free_port(), secrets.token_hex(16)
    supervisor.start([parts.broker(tmp_path_factory.mktemp("broker"), port, password, _environment())])
    return f"redis://:{password}@127.0.0.1:{port}"


@pytest.fixture
def valkey(valkey_server: str) -> str:
    """The address of an empty broker."""
    url = f"{valkey_server}/0"
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture(scope="session")
def postgres(supervisor: Supervisor) -> Iterator[Postgres]:
    """PostgreSQL."""
    with running_postgres(supervisor) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """The SQLAlchemy address of an empty database."""
    return postgres.create_database()


@pytest.fixture(scope="session")
def minio_server(supervisor: Supervisor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    """MinIO, with its webhook at `/webhook` of a port that a test may serve."""
    with running_minio(supervisor, tmp_path_factory.mktemp("minio"), WEBHOOK_PATH) as server:
        yield server


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(Path.home())}
