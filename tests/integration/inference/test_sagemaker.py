"""The verify API on an endpoint in SageMaker: the real API and engine, AWS by the simulator."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import boto3
import httpx
import pytest

from assay_inference.sagemaker_endpoint import Endpoint, EndpointFailed
from assay_inference.sagemaker_settings import EndpointSettings
from assay_shared.auth import hash_key
from assay_shared.keys import LIVE, model_folder
from tests.integration.inference.conftest import photograph
from tests.support.live_model import publish_brand, publish_model, random_weights, telling_weights
from tests.support.sagemaker import Endpoints, Platform, Refusal
from tests.support.sagemaker.platform import REGION, ROLE
from tests.support.serving import Ground, run_store, serving_programs
from tests.support.waiting import wait_until

KEY = "assay_acme"
BUCKET = "acme-assay"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/assay-engine:one"


@dataclass
class InAws:
    """A verify API whose detector is an endpoint."""

    api: str
    ground: Ground
    platform: Platform
    endpoints: Endpoints
    settings: EndpointSettings
    s3: Any

    def verify(self, image: bytes, brand: str = "acme") -> httpx.Response:
        """Posts one verification."""
        return httpx.post(
            f"{self.api}/v1/verifications",
            files={"image": ("photo", image)},
            data={"brand": brand},
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=60,
            trust_env=False,
        )

    def verify_until(self, image: bytes, version: str) -> httpx.Response:
        """Verifies until this version judges."""
        answers: list[httpx.Response] = []

        def judged() -> bool:
            answers.append(self.verify(image))
            return answers[-1].status_code == 200 and answers[-1].json()["model_version"] == version

        wait_until(judged, 30)
        return answers[-1]


@pytest.fixture(scope="module", params=["engine", "multi-model"])
def in_aws(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InAws]:
    """Everything started, once for each mode of the endpoint."""
    folder = tmp_path_factory.mktemp("in-aws")
    platform = Platform()
    platform.start()
    given = {
        "ASSAY_SAGEMAKER_REGION": REGION,
        "ASSAY_SAGEMAKER_BUCKET": BUCKET,
        "ASSAY_SAGEMAKER_ROLE_ARN": ROLE,
        "ASSAY_SAGEMAKER_ENDPOINT_MODE": request.param,
        "ASSAY_SAGEMAKER_ENDPOINT_IMAGE": IMAGE,
        "ASSAY_SAGEMAKER_ENDPOINT_INSTANCE_TYPE": "ml.c6i.large",
    }
    endpoints = Endpoints(
        platform,
        folder / "endpoints",
        environment={"OMP_NUM_THREADS": "2", "ASSAY_ENGINE_RUNTIME": "torch", "S3_TIMEOUT_SECONDS": "3"},
    )
    with pytest.MonkeyPatch.context() as patch, run_store(folder, timeout_seconds=3) as ground:
        for name, value in {**platform.environment(), **given}.items():
            patch.setenv(name, value)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        publish_brand(ground.store, "acme", verify_keys=[KEY])
        publish_model(ground.store, "acme", "mdl_1", random_weights())
        settings = EndpointSettings()
        Endpoint(settings, poll_seconds=0.2).up()
        programs = serving_programs(
            ground,
            {
                **platform.environment(),
                **given,
                "ASSAY_INFERENCE_BACKEND": "sagemaker",
                "ASSAY_ADMIN_KEY_SHA256": hash_key("assay_admin"),
                "ASSAY_LIVE_SECONDS": "0.5",
                "S3_TIMEOUT_SECONDS": "3",
            },
        )
        # Without the TorchServe that it would wait for.
        ground.supervisor.start([replace(programs["inference"], after=())])
        try:
            yield InAws(ground.address("inference"), ground, platform, endpoints, settings, s3)
        finally:
            endpoints.stop()
            platform.stop()


@pytest.fixture(scope="module")
def picture() -> bytes:
    """A JPEG of soft shapes."""
    return photograph(None)


def test_a_verification_is_answered_by_the_endpoint(in_aws: InAws, picture: bytes) -> None:
    answer = in_aws.verify_until(picture, "mdl_1")
    assert answer.json()["verdict"] in ("genuine", "counterfeit", "inconclusive")
    target = "acme/mdl_1.tar.gz" if in_aws.settings.endpoint_mode == "multi-model" else ""
    assert ("assay", target) in in_aws.endpoints.invocations


def test_every_answer_is_of_its_brand(in_aws: InAws, picture: bytes) -> None:
    brands = {f"told-{place}": 0.5 + 0.05 * place for place in range(6)}
    for brand, confidence in brands.items():
        publish_brand(in_aws.ground.store, brand, public=True)
        publish_model(in_aws.ground.store, brand, "mdl_1", telling_weights(confidence))
    wait_until(lambda: in_aws.verify(picture, "told-5").status_code == 200, 30)
    with ThreadPoolExecutor(6) as pool:
        asked = [*brands] * 4
        answers = pool.map(lambda brand: in_aws.verify(picture, brand), asked)
        for brand, answer in zip(asked, answers, strict=True):
            assert answer.status_code == 200, answer.text
            found = {round(one["confidence"], 2) for one in answer.json()["detections"]}
            assert found == {round(brands[brand], 2)}


def test_promotion_and_rollback_reach_the_endpoint(in_aws: InAws, picture: bytes) -> None:
    publish_model(in_aws.ground.store, "acme", "mdl_2", random_weights(7))
    in_aws.verify_until(picture, "mdl_2")
    publish_model(in_aws.ground.store, "acme", "mdl_1", random_weights())
    in_aws.verify_until(picture, "mdl_1")


PASSING = [
    Refusal("ThrottlingException", "Rate exceeded"),
    Refusal("ModelNotReadyException", "Model is not ready for inference requests", 429),
    Refusal("ServiceUnavailable", "Service unavailable", 503),
]


@pytest.mark.parametrize("refusal", PASSING, ids=lambda refusal: refusal.code)
def test_what_passes_is_a_retry_or_503_with_retry_after(
    in_aws: InAws, picture: bytes, refusal: Refusal
) -> None:
    in_aws.verify_until(picture, "mdl_1")
    in_aws.platform.fail_next("InvokeEndpoint", refusal)
    assert in_aws.verify(picture).status_code == 200
    in_aws.platform.fail_next("InvokeEndpoint", refusal, 4)
    answer = in_aws.verify(picture)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    in_aws.platform.clear_failures()
    in_aws.verify_until(picture, "mdl_1")


def test_credentials_that_are_over_are_503_and_not_the_callers_fault(in_aws: InAws, picture: bytes) -> None:
    in_aws.verify_until(picture, "mdl_1")
    expired = Refusal("ExpiredTokenException", "The security token included in the request is expired", 403)
    in_aws.platform.fail_next("InvokeEndpoint", expired, 8)
    answer = in_aws.verify(picture)
    assert answer.status_code == 503
    assert answer.json()["type"].endswith("engine-unavailable")
    in_aws.platform.clear_failures()
    in_aws.verify_until(picture, "mdl_1")


def test_a_version_that_is_corrupt_at_home_is_its_brands_error_alone(in_aws: InAws, picture: bytes) -> None:
    store = in_aws.ground.store
    publish_brand(store, "broken", verify_keys=[])
    publish_model(store, "broken", "mdl_9", random_weights())
    store.put(LIVE, model_folder("broken", "mdl_9") + "model.safetensors", b"not the weights")

    def admin() -> httpx.Response:
        return httpx.post(
            f"{in_aws.api}/v1/verifications",
            files={"image": ("photo", picture)},
            data={"brand": "broken"},
            headers={"Authorization": "Bearer assay_admin"},
            timeout=60,
            trust_env=False,
        )

    answers: list[httpx.Response] = []

    def refused() -> bool:
        answers.append(admin())
        return answers[-1].status_code == 503

    wait_until(refused, 30)
    assert "corrupt" in answers[-1].json()["detail"]
    assert in_aws.verify(picture).status_code == 200
    listed = in_aws.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    assert not [one["Key"] for one in listed if "broken" in one["Key"]]


def test_an_update_that_fails_goes_back_and_serves_on(in_aws: InAws, picture: bytes) -> None:
    bad = IMAGE.replace(":one", ":bad")
    in_aws.endpoints.break_image(bad)
    update = in_aws.settings.model_copy(update={"endpoint_image": bad})
    with pytest.raises(EndpointFailed, match="went back to"):
        Endpoint(update, poll_seconds=0.2).up()
    assert in_aws.verify_until(picture, "mdl_1").status_code == 200


def test_an_update_is_without_a_gap_and_removes_what_was(in_aws: InAws, picture: bytes) -> None:
    told: list[str] = []
    two = in_aws.settings.model_copy(update={"endpoint_image": IMAGE.replace(":one", ":two")})
    answers = _verify_meanwhile(in_aws, picture, lambda: Endpoint(two, told.append, poll_seconds=0.2).up())
    assert set(answers) == {200}
    assert len(in_aws.endpoints.configs) == len(in_aws.endpoints.models) == 1
    assert any("in service" in line for line in told)
    Endpoint(two, told.append, poll_seconds=0.2).up()  # nothing is left to do
    assert in_aws.endpoints.running() == ["assay"]


def test_it_scales_where_more_instances_are_allowed(in_aws: InAws) -> None:
    scaling = boto3.client("application-autoscaling")

    def bounds() -> list[tuple[int, int]]:
        found = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
        return [(one["MinCapacity"], one["MaxCapacity"]) for one in found]

    more = in_aws.settings.model_copy(update={"endpoint_max_instances": 3})
    Endpoint(more, poll_seconds=0.2).up()
    assert bounds() == [(1, 3)]
    policies = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert [one["PolicyType"] for one in policies] == ["TargetTrackingScaling"]
    Endpoint(in_aws.settings, poll_seconds=0.2).up()
    assert bounds() == []


def test_down_leaves_nothing_that_costs(in_aws: InAws, picture: bytes) -> None:
    endpoint = Endpoint(in_aws.settings, poll_seconds=0.2)
    endpoint.down()
    assert in_aws.endpoints.left() == []
    assert in_aws.endpoints.running() == []
    assert endpoint.status() == "absent"
    answer = in_aws.verify(picture)
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    endpoint.up()
    in_aws.verify_until(picture, "mdl_1")


def test_a_bucket_that_is_gone_keeps_only_new_versions_away(in_aws: InAws, picture: bytes) -> None:
    in_aws.verify_until(picture, "mdl_1")
    for one in in_aws.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        in_aws.s3.delete_object(Bucket=BUCKET, Key=one["Key"])
    in_aws.s3.delete_bucket(Bucket=BUCKET)
    publish_brand(in_aws.ground.store, "late", public=True)
    publish_model(in_aws.ground.store, "late", "mdl_1", random_weights())
    answers: list[httpx.Response] = []

    def status(wanted: int) -> bool:
        answers.append(in_aws.verify(picture, "late"))
        return answers[-1].status_code == wanted

    wait_until(lambda: status(503), 30)
    assert answers[-1].json()["type"].endswith("model-unavailable")
    assert "Retry-After" in answers[-1].headers
    assert in_aws.verify(picture).status_code == 200
    in_aws.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    wait_until(lambda: status(200), 30)


def _verify_meanwhile(in_aws: InAws, picture: bytes, work: Callable[[], None]) -> list[int]:
    """Statuses of verifications while something else is done."""
    done = threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        while not done.is_set():
            statuses.append(in_aws.verify(picture).status_code)
            time.sleep(0.05)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        work()
    finally:
        done.set()
        thread.join()
    return statuses
