"""What AWS is asked for, checked against AWS's own service model; names that a retry cannot double."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_shared.ids import new_id
from assay_shared.wire import DatasetManifest, Lease, TrainingOptions
from assay_trainer.sagemaker_contract import read_hyperparameters, write_hyperparameters
from assay_trainer.sagemaker_request import Places, find_run, make_request, name_job
from assay_trainer.sagemaker_settings import SettingsMissing, TrainingJobSettings, read_job_settings
from tests.support.sagemaker.platform import ROLE, find_problems

USUAL: dict[str, Any] = {
    "region": "eu-west-1",
    "bucket": "acme-assay",
    "role_arn": ROLE,
    "training_image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/assay-trainer:1",
}
OPTIONS = st.builds(
    TrainingOptions,
    architecture=st.sampled_from(["yolov5nu", "yolov5su"]),
    image_size=st.integers(2, 40).map(lambda value: value * 32),
    epochs=st.integers(1, 1000),
    batch=st.none() | st.integers(1, 256),
    freeze=st.integers(0, 23),
    learning_rate=st.floats(1e-9, 0.1),
    seed=st.integers(0, 2**40),
)


def make_lease(options: TrainingOptions | None = None, brand: str = "acme") -> Lease:
    return Lease(
        run=new_id("run"),
        brand=brand,
        token="t",
        seconds=60,
        expires_at=datetime.now(UTC),
        model_version="v1",
        options=options or TrainingOptions(),
        dataset=DatasetManifest(id="dsv_1", brand=brand, labels=[], products=[], items=[]),
        live_version=None,
    )


def build(lease: Lease, **changes: Any) -> dict[str, Any]:
    settings = TrainingJobSettings(**(USUAL | changes))
    return make_request(lease, settings, Places.of(settings, lease.brand, lease.run), name_job(lease.run))


@given(
    options=OPTIONS,
    spot=st.booleans(),
    kms_key=st.sampled_from(["", "alias/assay"]),
    subnets=st.sampled_from(["", "subnet-0a,subnet-0b"]),
    kind=st.sampled_from(["ml.g5.xlarge", "ml.p3.2xlarge", "ml.m5.large"]),
    tags=st.sampled_from(["", "team=brand, cost=42"]),
)
def test_aws_takes_every_request(
    options: TrainingOptions, spot: bool, kms_key: str, subnets: str, kind: str, tags: str
) -> None:
    lease = make_lease(options, "a-brand-with-a-long-name-0123456789")
    request = build(
        lease,
        spot=spot,
        kms_key=kms_key,
        subnets=subnets,
        security_groups="sg-0a",
        training_instance_type=kind,
        tags=tags,
    )
    model = botocore.session.get_session().get_service_model("sagemaker")
    shape = model.operation_model("CreateTrainingJob").input_shape
    assert shape is not None
    assert find_problems(request, shape, "CreateTrainingJob") == []
    assert ("VpcConfig" in request) == bool(subnets)
    assert ("MaxWaitTimeInSeconds" in request["StoppingCondition"]) == spot
    assert request["EnableNetworkIsolation"] is True
    assert ("VolumeKmsKeyId" in request["ResourceConfig"]) == (bool(kms_key) and kind != "ml.g5.xlarge")
    places = [request["OutputDataConfig"]["S3OutputPath"], request["CheckpointConfig"]["S3Uri"]]
    places += [one["DataSource"]["S3DataSource"]["S3Uri"] for one in request["InputDataConfig"]]
    assert all(one.startswith(f"s3://acme-assay/assay/training/{lease.brand}/{lease.run}/") for one in places)
    read = read_hyperparameters(request["HyperParameters"])
    assert (read.run, read.brand, read.version, read.options) == (lease.run, lease.brand, "v1", options)


@given(options=OPTIONS)
def test_hyperparameters_are_strings_and_come_back_as_they_were(options: TrainingOptions) -> None:
    written = write_hyperparameters(make_lease(options))
    assert all(isinstance(value, str) for value in written.values())
    assert read_hyperparameters(written | {"sagemaker_program": "train.py"}).options == options


def test_a_job_is_named_after_its_run_and_back() -> None:
    run = new_id("run")
    names = [name_job(run, attempt) for attempt in (1, 2, 3)]
    assert len(set(names)) == 3
    assert all(find_run(name) == run for name in names)
    for foreign in ("assay", "assay-", "other-run-1", "assay-run-1-x", "assay-run-1-2-3"):
        assert find_run(foreign) is None or name_job(str(find_run(foreign))) == foreign


def test_brands_share_no_place() -> None:
    settings = TrainingJobSettings(**USUAL)
    one, other = (Places.of(settings, brand, "run_1") for brand in ("acme", "acme-2"))
    for place in (one.images, one.run):
        assert not place.startswith((other.images, other.run))
        assert not other.run.startswith(place)


def test_settings_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsMissing) as caught:
        read_job_settings()
    for name in ("REGION", "BUCKET", "ROLE_ARN", "TRAINING_IMAGE"):
        assert f"ASSAY_SAGEMAKER_{name}: Field required" in caught.value.detail
    for name, value in USUAL.items():
        monkeypatch.setenv(f"ASSAY_SAGEMAKER_{name.upper()}", value)
    assert read_job_settings().training_jobs == 4
    monkeypatch.setenv("ASSAY_SAGEMAKER_TRAINING_SECONDS", "9000")
    with pytest.raises(SettingsMissing, match=r"SPOT_WAIT_SECONDS \(7200\) must be at least"):
        read_job_settings()
    monkeypatch.setenv("ASSAY_SAGEMAKER_SPOT", "false")
    assert read_job_settings().training_seconds == 9000
