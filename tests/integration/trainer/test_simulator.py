"""The simulator's training jobs, by boto3 alone: what others build on."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from assay_trainer.sagemaker_contract import METRIC_DEFINITIONS, write_hyperparameters
from tests.integration.trainer.conftest import Aws
from tests.support.sagemaker.jobs import LOG_GROUP
from tests.support.sagemaker.platform import ROLE
from tests.support.waiting import wait_until
from tests.unit.trainer.test_sagemaker_train import make_lease
from tests.unit.trainer.test_train_child import draw_pictures

NAME = "assay-run-1"


@pytest.fixture
def request_(aws: Aws, tmp_path: Path) -> dict[str, Any]:
    """A request for a tiny job whose input is in the bucket, spot and checkpoints included."""
    dataset = draw_pictures(tmp_path / "pictures")
    s3 = aws.client("s3")
    names = [f"{item.sha256}.{item.extension}" for item in dataset.items]
    for name in names:
        s3.upload_file(str(tmp_path / "pictures" / name), aws.bucket, f"p/images/{name}")
    # Another picture that lies beside them: no channel of this job brings it.
    s3.put_object(Bucket=aws.bucket, Key="p/images/other.jpg", Body=b"other")
    manifest = [{"prefix": f"s3://{aws.bucket}/p/images/"}, *names]
    s3.put_object(Bucket=aws.bucket, Key="p/run/images.manifest", Body=json.dumps(manifest))
    s3.put_object(Bucket=aws.bucket, Key="p/run/input/dataset.json", Body=dataset.model_dump_json())

    def channel(name: str, kind: str, key: str) -> dict[str, Any]:
        source = {"S3DataType": kind, "S3Uri": f"s3://{aws.bucket}/{key}"}
        return {
            "ChannelName": name,
            "DataSource": {"S3DataSource": source | {"S3DataDistributionType": "FullyReplicated"}},
        }

    return {
        "TrainingJobName": NAME,
        "HyperParameters": write_hyperparameters(make_lease(dataset)),
        "AlgorithmSpecification": {
            "TrainingImage": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/assay-trainer:1",
            "TrainingInputMode": "File",
            "MetricDefinitions": METRIC_DEFINITIONS,
        },
        "RoleArn": ROLE,
        "InputDataConfig": [
            channel("images", "ManifestFile", "p/run/images.manifest"),
            channel("input", "S3Prefix", "p/run/input/"),
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{aws.bucket}/p/run/output"},
        "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 600},
        "EnableManagedSpotTraining": True,
        "EnableNetworkIsolation": True,
        "CheckpointConfig": {
            "S3Uri": f"s3://{aws.bucket}/p/run/checkpoints",
            "LocalPath": "/opt/ml/checkpoints",
        },
    }


def wait_for(aws: Aws, *statuses: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = aws.client("sagemaker").describe_training_job(TrainingJobName=NAME)
        return found if found["TrainingJobStatus"] in statuses else None

    return wait_until(look, 240, f"the job is {statuses}")


def test_a_job_is_interrupted_goes_on_and_leaves_all_that_aws_leaves(
    aws: Aws, request_: dict[str, Any]
) -> None:
    queue = aws.client("sqs").create_queue(QueueName="events")["QueueUrl"]
    aws.jobs.queue_url = queue
    sagemaker = aws.client("sagemaker")
    # So many epochs that it is not over before it is interrupted.
    request_["HyperParameters"]["epochs"] = "40"
    sagemaker.create_training_job(**request_)
    with pytest.raises(ClientError, match="ResourceInUse"):
        sagemaker.create_training_job(**request_)
    wait_until(lambda: aws.keys("p/run/checkpoints/"), 120, "a checkpoint is in S3")
    aws.jobs.interrupt(NAME)
    done = wait_for(aws, "Completed", "Failed")
    assert done["TrainingJobStatus"] == "Completed", done.get("FailureReason")
    assert aws.jobs.jobs[NAME].attempts == 2
    secondary = [one["Status"] for one in done["SecondaryStatusTransitions"]]
    assert secondary == [
        *("Starting", "Downloading", "Training", "Interrupted"),
        *("Starting", "Downloading", "Training", "Uploading", "Completed"),
    ]
    assert {one["MetricName"] for one in done["FinalMetricDataList"]} >= {"map50", "epoch", "box_loss"}

    key = done["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{aws.bucket}/")
    body = aws.client("s3").get_object(Bucket=aws.bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        assert {"model.json", "model.safetensors"} <= set(archive.getnames())
    logs = aws.client("logs")
    streams = logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{NAME}/")["logStreams"]
    assert len(streams) == 2
    lines = [
        event["message"]
        for stream in streams
        for event in logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream["logStreamName"])[
            "events"
        ]
    ]
    assert any("resuming from checkpoint-" in line for line in lines)

    told: list[str] = []
    while found := aws.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        told += [json.loads(one["Body"])["detail"]["SecondaryStatus"] for one in found]
    assert sorted(told) == sorted(secondary + secondary[:-1])
    assert aws.jobs.running() == []
    with pytest.raises(ClientError, match="in status Completed"):
        sagemaker.stop_training_job(TrainingJobName=NAME)


def test_a_stopped_job_and_one_without_capacity_cost_nothing(aws: Aws, request_: dict[str, Any]) -> None:
    sagemaker = aws.client("sagemaker")
    aws.jobs.starve()
    sagemaker.create_training_job(**request_)
    assert "CapacityError" in wait_for(aws, "Failed")["FailureReason"]
    again = request_ | {"TrainingJobName": f"{NAME}-2"}
    sagemaker.create_training_job(**again)
    wait_until(lambda: aws.jobs.jobs[f"{NAME}-2"].attempts, 60, "it trains")
    found = sagemaker.list_training_jobs(NameContains=NAME, StatusEquals="InProgress")
    assert [one["TrainingJobName"] for one in found["TrainingJobSummaries"]] == [f"{NAME}-2"]
    assert aws.jobs.running() == [f"{NAME}-2"]
    sagemaker.stop_training_job(TrainingJobName=f"{NAME}-2")
    wait_until(lambda: not aws.jobs.running(), 150, "it has stopped")
    assert aws.jobs.jobs[f"{NAME}-2"].status == "Stopped"


def test_what_aws_would_refuse_is_refused(aws: Aws, request_: dict[str, Any]) -> None:
    sagemaker = aws.client("sagemaker")
    short = request_ | {"StoppingCondition": {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 60}}
    with pytest.raises(ClientError, match="MaxWaitTimeInSeconds"):
        sagemaker.create_training_job(**short)
    with pytest.raises(ClientError, match="does not match"):
        sagemaker.create_training_job(**request_ | {"TrainingJobName": "run_1"})
    with pytest.raises(ClientError, match="not found"):
        sagemaker.describe_training_job(TrainingJobName="assay-run-9")
    sagemaker.create_training_job(
        **request_
        | {
            "InputDataConfig": [
                one
                | {
                    "DataSource": {
                        "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{aws.bucket}/nothing/"}
                    }
                }
                for one in request_["InputDataConfig"]
            ]
        }
    )
    assert "Data download failed" in wait_for(aws, "Failed")["FailureReason"]
