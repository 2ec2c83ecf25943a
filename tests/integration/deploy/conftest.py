"""A MinIO that the tests of `deploy.store` may empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assay_shared.settings import StoreSettings
from assay_shared.storage import connect
from deploy.local.supervisor import Supervisor
from tests.integration.deploy.store_support import SECRETS, SERVICES, Tool
from tests.support.minio import running_minio


@pytest.fixture(scope="session")
def own_minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreSettings]:
    """A MinIO for these tests alone: they empty its buckets and change its accounts."""
    supervisor = Supervisor(tmp_path_factory.mktemp("own-supervisor"))
    try:
        with running_minio(supervisor, tmp_path_factory.mktemp("own-minio"), "/webhook") as server:
            yield server.settings
    finally:
        supervisor.stop()


@pytest.fixture
def tool(
    own_minio: StoreSettings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Tool:
    """The tool on a store that is set up and empty."""
    environment = {
        "S3_ENDPOINT": own_minio.endpoint,
        "S3_ACCESS_KEY": own_minio.access_key,
        "S3_SECRET_KEY": own_minio.secret_key.get_secret_value(),
        "ASSAY_S3_ACCOUNTS_SECRET": "the-master-secret-of-the-brands",
        "ASSAY_S3_BRAND_LISTING": "true",
    }
    for service in SERVICES:
        environment[f"S3_{service.upper()}_SECRET_KEY"] = SECRETS[f"assay-{service}"]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    made = Tool(own_minio, connect(own_minio), capsys, monkeypatch)
    made.do("setup")
    made.empty()
    return made
