"""Which backends a trainer has, by its environment alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import SecretStr

from assay_shared.registry_client import RegistryClient
from assay_shared.settings import StoreSettings
from assay_trainer.backends import Backends
from assay_trainer.sagemaker_backend import SageMakerBackend
from assay_trainer.sagemaker_settings import SettingsMissing
from assay_trainer.settings import TrainerSettings
from tests.unit.trainer.test_sagemaker_request import USUAL


def build(backend: str, endpoint: str = "http://127.0.0.1:1") -> Backends:
    settings = TrainerSettings.model_validate(
        {
            "data_dir": "/nowhere",
            "service_token": "t" * 16,
            "admin_key_sha256": "0" * 64,
            "broker_url": "redis://127.0.0.1:1/0",
            "registry_url": "http://127.0.0.1:1",
            "training_backend": backend,
            "store": StoreSettings(
                endpoint=endpoint, access_key="a", secret_key=SecretStr("s"), region="eu-west-1"
            ),
        }
    )
    return Backends(settings, RegistryClient("http://127.0.0.1:1", "token"))


@pytest.fixture
def in_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """SageMaker's settings are there."""
    for name, value in USUAL.items():
        monkeypatch.setenv(f"ASSAY_SAGEMAKER_{name.upper()}", value)


def test_at_home_one_run_at_once() -> None:
    backends = build("celery")
    assert (backends.names, backends.runs_at_once) == (("celery",), 1)


@pytest.mark.usefixtures("in_aws")
def test_runs_that_were_begun_in_aws_are_finished_there_after_the_switch_home() -> None:
    backends = build("celery")
    assert (backends.names, backends.runs_at_once) == (("celery", "sagemaker"), 1)


@pytest.mark.usefixtures("in_aws")
def test_in_aws_several_at_once_and_none_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_SAGEMAKER_TRAINING_JOBS", "7")
    backends = build("sagemaker")
    assert (backends.names, backends.runs_at_once) == (("sagemaker",), 7)


@pytest.mark.usefixtures("in_aws")
@pytest.mark.parametrize(
    ("endpoint", "said", "reads"),
    [
        ("https://s3.eu-west-1.amazonaws.com", "", True),
        ("https://s3.eu-west-1.amazonaws.com", "false", False),
        ("http://minio:9000", "", False),
    ],
)
def test_jobs_read_the_pictures_where_they_lie_in_s3(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, said: str, reads: bool
) -> None:
    monkeypatch.setenv("ASSAY_SAGEMAKER_READS_STORE", said)
    backend = build("sagemaker", endpoint).get("sagemaker")
    assert isinstance(backend, SageMakerBackend)
    assert backend.reads_store is reads


def test_what_is_missing_is_named() -> None:
    with pytest.raises(SettingsMissing, match="ASSAY_SAGEMAKER_TRAINING_IMAGE"):
        build("sagemaker")


def test_who_waits_for_jobs_holds_no_torch() -> None:
    code = "import sys, assay_trainer.backends, assay_trainer.run; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
