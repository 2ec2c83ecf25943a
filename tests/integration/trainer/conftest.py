"""A registry with a brand, and SageMaker's simulator, found by boto3 through this process's environment."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from pydantic import SecretStr

from assay_registry.app import create_app
from assay_registry.migrate import migrate
from assay_registry.settings import RegistrySettings
from assay_shared.auth import make_key
from assay_shared.registry_client import RegistryClient
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore
from assay_trainer.sagemaker_backend import SageMakerBackend
from assay_trainer.sagemaker_settings import TrainingJobSettings
from deploy.local.ports import free_port
from tests.integration.ingest.support import served
from tests.integration.trainer.support import Assay, Trainer
from tests.support.sagemaker import Jobs, Platform
from tests.support.sagemaker.platform import REGION, ROLE

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/assay-trainer:1"
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Aws:
    """The simulator's parts, a bucket of this test alone, and clients as the product makes them."""

    platform: Platform
    jobs: Jobs
    bucket: str
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client that has found the simulator by the environment."""
        if service not in self.clients:
            self.clients[service] = boto3.session.Session().client(service)
        return self.clients[service]

    def keys(self, prefix: str = "") -> list[str]:
        """What lies in the bucket."""
        found = self.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [one["Key"] for one in found.get("Contents", [])]

    def settings(self, **changes: Any) -> TrainingJobSettings:
        """Settings with which jobs run here."""
        given: dict[str, Any] = {
            "region": REGION,
            "bucket": self.bucket,
            "role_arn": ROLE,
            "training_image": IMAGE,
            "poll_seconds": POLL_SECONDS,
        }
        return TrainingJobSettings(**(given | changes))


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """AWS; when the test ends, nothing of it runs on."""
    platform = Platform()
    platform.start()
    for name, value in platform.environment().items():
        monkeypatch.setenv(name, value)
    jobs = Jobs(platform, tmp_path / "sagemaker")
    made = Aws(platform, jobs, f"bucket-{secrets.token_hex(6)}")
    made.client("s3").create_bucket(
        Bucket=made.bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    yield made
    jobs.stop()
    platform.stop()


@pytest.fixture
def assay(store_settings: StoreSettings, valkey: str, tmp_path: Path) -> Iterator[Assay]:
    """A registry over HTTP; its background work sweeps every half second."""
    admin_key, token, port = make_key(), secrets.token_hex(20), free_port()
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    migrate(url)
    (tmp_path / "registry").mkdir()
    settings = RegistrySettings(
        data_dir=tmp_path / "registry",
        service_token=SecretStr(token),
        admin_key_sha256=hashlib.sha256(admin_key.encode()).hexdigest(),
        broker_url=SecretStr(valkey),
        database_url=SecretStr(url),
        store=store_settings,
        sweep_seconds=0.5,
        finish_wait_seconds=0.2,
        # A busy machine must not end it; tests that need its end say so.
        lease_seconds=24,
    )
    app = create_app(settings)
    address, brand = f"http://127.0.0.1:{port}", f"b{secrets.token_hex(6)}"
    client = RegistryClient(address, token, 30.0)
    headers = {"Authorization": f"Bearer {admin_key}"}
    with served(app, port), httpx.Client(base_url=address, headers=headers, timeout=60) as http:
        http.post("/v1/brands", json={"slug": brand, "name": "A brand"}).raise_for_status()
        yield Assay(address, app.state.context, http, client, ObjectStore(store_settings), brand, token)
    client.close()


MakeTrainer = Callable[..., Trainer]


@pytest.fixture
def make_trainer(assay: Assay, aws: Aws, tmp_path: Path) -> Iterator[MakeTrainer]:
    """Makes trainer services that train in AWS; all are stopped when the test ends."""
    made: list[Trainer] = []

    def make(**changes: Any) -> Trainer:
        given: dict[str, Any] = {"events": None, "reads_store": False, "pretrained_weights": ""}
        ours = {name: changes.pop(name, usual) for name, usual in given.items()}
        backend = SageMakerBackend(assay.store, aws.settings(**changes), **ours)
        trainer = Trainer(assay, {"sagemaker": backend}, tmp_path / f"trainer-{len(made)}")
        made.append(trainer)
        return trainer

    yield make
    for trainer in made:
        trainer.stop()
