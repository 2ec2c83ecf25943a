"""The trainer's Celery worker itself, with SageMaker by its environment alone."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assay_shared.settings import StoreSettings
from assay_trainer.sagemaker_request import name_job
from deploy.local.services import base_environment
from tests.integration.trainer.conftest import IMAGE, Aws
from tests.integration.trainer.support import HANGS, Assay
from tests.integration.trainer.test_sagemaker_backend import check_succeeded
from tests.support.sagemaker.platform import REGION, ROLE
from tests.support.waiting import wait_until

StartWorker = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start_worker(
    assay: Assay, aws: Aws, valkey: str, store_settings: StoreSettings, tmp_path: Path
) -> Iterator[StartWorker]:
    """Starts a worker; further settings by name."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**changes: str) -> subprocess.Popen[bytes]:
        environment = {
            **base_environment(),
            **aws.platform.environment(),
            "S3_ENDPOINT": store_settings.endpoint,
            "S3_ACCESS_KEY": store_settings.access_key,
            "S3_SECRET_KEY": store_settings.secret_key.get_secret_value(),
            "ASSAY_BROKER_URL": valkey,
            "ASSAY_REGISTRY_URL": assay.url,
            "ASSAY_SERVICE_TOKEN": assay.token,
            "ASSAY_ADMIN_KEY_SHA256": "0" * 64,
            "ASSAY_DATA_DIR": str(tmp_path / "worker"),
            "ASSAY_DEVICE": "cpu",
            "ASSAY_TRAINING_BACKEND": "sagemaker",
            "ASSAY_SAGEMAKER_REGION": REGION,
            "ASSAY_SAGEMAKER_BUCKET": aws.bucket,
            "ASSAY_SAGEMAKER_ROLE_ARN": ROLE,
            "ASSAY_SAGEMAKER_TRAINING_IMAGE": IMAGE,
            "ASSAY_SAGEMAKER_POLL_SECONDS": "0.3",
            **changes,
        }
        command = [sys.executable, "-m", "celery", "-A", "assay_trainer.worker", "worker", "-Q", "train"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-n", f"t{len(started)}@%h"]
        log = (tmp_path / f"worker-{len(started)}.log").open("wb")
        with log:
            worker = subprocess.Popen([*command, *quiet], env=environment, stdout=log, stderr=log)
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.kill()
        worker.wait()


def test_the_worker_watches_several_jobs_and_leaves_them_when_it_stops(
    assay: Assay, aws: Aws, start_worker: StartWorker, tmp_path: Path
) -> None:
    url = aws.client("sqs").create_queue(QueueName="events")["QueueUrl"]
    aws.jobs.queue_url = url
    assay.teach(tmp_path / "pictures")
    run = assay.finish(epochs=12)
    worker = start_worker(ASSAY_SAGEMAKER_EVENTS_QUEUE_URL=url)
    wait_until(lambda: assay.read(run)["history"], HANGS, "an epoch")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(HANGS) == 0
    assert aws.jobs.running() == [name_job(run)]
    assert "goes on in SageMaker" in assay.read(run)["reason"]

    # Switched back: new runs begin at home, this one is finished in AWS.
    start_worker(ASSAY_TRAINING_BACKEND="celery")
    check_succeeded(assay, aws, run)
    at_home = assay.finish(epochs=1)
    assay.wait_for(at_home, "evaluating")
    assert list(aws.jobs.jobs) == [name_job(run)]
    assert not any("SageMaker" in line for line in assay.read_log(at_home))


def test_a_worker_without_its_settings_says_which(start_worker: StartWorker, tmp_path: Path) -> None:
    worker = start_worker(ASSAY_SAGEMAKER_TRAINING_IMAGE="", ASSAY_SAGEMAKER_BUCKET="")
    assert worker.wait(HANGS) != 0
    said = (tmp_path / "worker-0.log").read_text()
    for name in ("BUCKET", "TRAINING_IMAGE"):
        assert f"ASSAY_SAGEMAKER_{name}: Field required" in said
