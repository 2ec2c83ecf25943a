"""The whole loop with training and detecting in AWS, by the simulator; then at home again, nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from assay_inference.sagemaker_endpoint import Endpoint
from assay_inference.sagemaker_settings import EndpointSettings
from deploy.local.brand_client import BrandClient
from deploy.local.photos.dataset import training_photos
from deploy.local.stack import Stack
from tests.support.sagemaker import Endpoints, Jobs, Platform
from tests.support.sagemaker.platform import REGION, ROLE
from tests.support.stack import PHOTO_SIZE, PHOTOS, QUICK, TINY_OPTIONS, new_brand, photo_to_judge
from tests.support.waiting import wait_until

BUCKET = "acme-assay"
BUCKET_PREFIX = "acme-"
"""Of the box's own store: nothing on the way may know its buckets' names by heart."""
IMAGES = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/assay"
pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Amazon:
    """AWS with an endpoint in service, and the variables with which Assay uses it."""

    platform: Platform
    jobs: Jobs
    endpoints: Endpoints
    environment: dict[str, str]


@pytest.fixture(scope="module")
def amazon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Amazon]:
    platform = Platform()
    platform.start()
    folder = tmp_path_factory.mktemp("amazon")
    jobs = Jobs(platform, folder / "jobs")
    endpoints = Endpoints(platform, folder / "endpoints", environment={"ASSAY_ENGINE_RUNTIME": "torch"})
    environment = {
        **platform.environment(),
        "ASSAY_SAGEMAKER_REGION": REGION,
        "ASSAY_SAGEMAKER_BUCKET": BUCKET,
        "ASSAY_SAGEMAKER_ROLE_ARN": ROLE,
        "ASSAY_SAGEMAKER_TRAINING_IMAGE": f"{IMAGES}-trainer:one",
        "ASSAY_SAGEMAKER_ENDPOINT_IMAGE": f"{IMAGES}-engine:one",
        "ASSAY_SAGEMAKER_POLL_SECONDS": "0.5",
    }
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            boto3.client("s3").create_bucket(
                Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
            )
            Endpoint(EndpointSettings(), poll_seconds=0.2).up()
        yield Amazon(platform, jobs, endpoints, environment)
    finally:
        jobs.stop()
        endpoints.stop()
        platform.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of the box, which stays when its settings change."""
    return tmp_path_factory.mktemp("box")


def open_stack(folder: Path, amazon: Amazon, training: str, inference: str) -> Stack:
    """The embedded stack on this data, with these two backends."""
    overrides = {name: dict(given) for name, given in QUICK.items()}
    overrides["trainer"] = {**amazon.environment, "ASSAY_TRAINING_BACKEND": training}
    overrides["inference"] |= {**amazon.environment, "ASSAY_INFERENCE_BACKEND": inference}
    return Stack(
        folder, reconcile_seconds=0.5, usual_ports=False, overrides=overrides, bucket_prefix=BUCKET_PREFIX
    )


def teach(client: BrandClient, first: int) -> str:
    """Uploads photos, says "finished", and waits until the version is live; gives it."""
    if first == 0:
        upload = client.start_upload()
        for photo in training_photos(client.brand, PHOTOS, **PHOTO_SIZE):
            client.upload_by_http(upload, photo)
    run = client.watch_run(client.finish(TINY_OPTIONS), 240)
    assert run["progress"]["epoch"] == TINY_OPTIONS["epochs"]
    client.wait_until_live(run["model_version"], 30)
    return str(run["model_version"])


def judge(client: BrandClient, version: str) -> str:
    """Verifies a photo until this version judges it; the verification's id."""
    photo = photo_to_judge(client.brand)
    client.wait_until_judging(photo.data, 60)
    answer = client.verify(photo.data, brand=client.brand.slug)
    assert answer.status == 200, answer.body
    assert answer.body["model_version"] == version
    return str(answer.body["id"])


def logged(client: BrandClient) -> set[str]:
    """The ids of the verifications that the registry has got; it gets each after its answer went out."""
    return {item["id"] for item in client.call_all("/verifications")}


def test_both_in_aws_then_mixed_then_at_home(folder: Path, amazon: Amazon) -> None:
    with open_stack(folder, amazon, "sagemaker", "sagemaker") as stack, new_brand(stack, "abroad") as client:
        first = teach(client, 0)
        assert len(amazon.jobs.jobs) == 1
        assert amazon.jobs.running() == []
        seen = [judge(client, first)]
        assert amazon.endpoints.invocations

    asked = len(amazon.endpoints.invocations)
    with open_stack(folder, amazon, "celery", "sagemaker") as stack, reopen(stack, client) as client:
        second = teach(client, 1)
        assert len(amazon.jobs.jobs) == 1  # this one was trained at home
        seen.append(judge(client, second))
        assert len(amazon.endpoints.invocations) > asked

    asked = len(amazon.endpoints.invocations)
    with open_stack(folder, amazon, "celery", "torchserve") as stack, reopen(stack, client) as client:
        seen.append(judge(client, second))
        assert len(amazon.endpoints.invocations) == asked
        wait_until(lambda: set(seen) <= logged(client), 60, "all three verifications are in the log")
        runs = client.call_all("/training-runs")
        assert [run["state"] for run in runs] == ["succeeded", "succeeded"]
        client.call("PUT", "/live", json={"version": first})
        client.wait_until_live(first, 30)

    with pytest.MonkeyPatch.context() as patch:
        for name, value in amazon.environment.items():
            patch.setenv(name, value)
        Endpoint(EndpointSettings(), poll_seconds=0.2).down()
    assert amazon.endpoints.left() == []
    assert amazon.endpoints.running() == []


def reopen(stack: Stack, client: BrandClient) -> BrandClient:
    """The same brand at a box that was started anew."""
    return client.at(stack.api)
