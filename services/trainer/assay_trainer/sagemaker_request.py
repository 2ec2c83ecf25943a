"""A training job as AWS is asked for it: names, places in the bucket, the request, and what it needs to be
allowed. Nothing here calls AWS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assay_shared.aws import AwsSettings, has_own_disk
from assay_shared.wire import Lease
from assay_trainer.sagemaker_contract import (
    IMAGES_CHANNEL,
    INPUT_CHANNEL,
    METRIC_DEFINITIONS,
    write_hyperparameters,
)
from assay_trainer.sagemaker_settings import TrainingJobSettings

JOB_PREFIX = "assay-"
ATTEMPTS = 3
"""Jobs that a run may use up for what passes by itself: no capacity, AWS's own faults."""

TRAINER_PERMISSIONS: dict[str, tuple[str, ...]] = {
    "training jobs assay-*": (
        "sagemaker:CreateTrainingJob",
        "sagemaker:DescribeTrainingJob",
        "sagemaker:StopTrainingJob",
        "sagemaker:AddTags",
    ),
    "*": ("sagemaker:ListTrainingJobs",),
    "the execution role": ("iam:PassRole",),
    "{bucket}/{prefix}/training/*": ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
    "{bucket}, prefix {prefix}/training/*": ("s3:ListBucket",),
    "log group /aws/sagemaker/TrainingJobs": ("logs:DescribeLogStreams", "logs:GetLogEvents"),
    "the event queue": ("sqs:ReceiveMessage", "sqs:DeleteMessage"),
    "the KMS key, where there is one": (
        "kms:GenerateDataKey",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:CreateGrant",
    ),
}
"""What the trainer service needs: by resource, the actions. For the authors of IAM templates."""

JOB_ROLE_PERMISSIONS: dict[str, tuple[str, ...]] = {
    "{bucket}/{prefix}/training/*": ("s3:GetObject", "s3:PutObject"),
    "{bucket}, prefix {prefix}/training/*": ("s3:ListBucket",),
    "Assay's bucket of images, where jobs read it themselves": ("s3:GetObject", "s3:ListBucket"),
    "log group /aws/sagemaker/TrainingJobs": (
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:DescribeLogStreams",
        "logs:PutLogEvents",
    ),
    "*, namespace /aws/sagemaker/TrainingJobs": ("cloudwatch:PutMetricData",),
    "*": ("ecr:GetAuthorizationToken",),
    "the trainer's repository": (
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
    ),
    "the KMS key, where there is one": (
        "kms:GenerateDataKey",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:CreateGrant",
    ),
    "*, with a VPC": (
        "ec2:CreateNetworkInterface",
        "ec2:CreateNetworkInterfacePermission",
        "ec2:DeleteNetworkInterface",
        "ec2:DeleteNetworkInterfacePermission",
        "ec2:DescribeDhcpOptions",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
    ),
}
"""What the execution role needs to train. The container itself is isolated and has none of it: SageMaker
uses the role to fetch the image and the channels and to store what comes out."""


def name_job(run: str, attempt: int = 1) -> str:
    """The job's name; from the run's id, so that one run cannot have two jobs at once."""
    name = JOB_PREFIX + run.replace("_", "-")
    return name if attempt == 1 else f"{name}-{attempt}"


def find_run(job: str) -> str | None:
    """The run's id of a job that `name_job` named; None for any other name."""
    parts = job.removeprefix(JOB_PREFIX).split("-")
    if not job.startswith(JOB_PREFIX) or len(parts) not in (2, 3):
        return None
    return f"{parts[0]}_{parts[1]}" if len(parts) == 2 or parts[2].isdigit() else None


@dataclass(frozen=True)
class Places:
    """Where a run's things lie in the bucket; all keys. Nothing of another brand is under any of them."""

    bucket: str
    images: str
    run: str

    @classmethod
    def of(cls, aws: AwsSettings, brand: str, run: str) -> Places:
        """The places of a brand's run."""
        root = f"{aws.prefix}/training/{brand}"
        return cls(aws.bucket, f"{root}/images/", f"{root}/{run}/")

    @property
    def input(self) -> str:
        """The channel `input`."""
        return f"{self.run}input/"

    @property
    def manifest(self) -> str:
        """The list that is the channel `images`."""
        return f"{self.run}images.manifest"

    @property
    def checkpoints(self) -> str:
        """What jobs of the run save and go on from."""
        return f"{self.run}checkpoints"

    @property
    def output(self) -> str:
        """Where SageMaker puts `{job}/output/model.tar.gz`."""
        return f"{self.run}output"

    @property
    def cursor(self) -> str:
        """How far the job's log was read."""
        return f"{self.run}cursor.json"

    def uri(self, key: str) -> str:
        """A key as `s3://…`."""
        return f"s3://{self.bucket}/{key}"


def make_request(lease: Lease, settings: TrainingJobSettings, places: Places, name: str) -> dict[str, Any]:
    """The parameters of CreateTrainingJob. The container has no network: it needs none."""
    output: dict[str, Any] = {"S3OutputPath": places.uri(places.output)}
    resources: dict[str, Any] = {
        "InstanceType": settings.training_instance_type,
        "InstanceCount": settings.training_instance_count,
        "VolumeSizeInGB": settings.training_volume_gb,
    }
    if settings.kms_key:
        output["KmsKeyId"] = settings.kms_key
        if not has_own_disk(settings.training_instance_type):
            resources["VolumeKmsKeyId"] = settings.kms_key
    limits = {"MaxRuntimeInSeconds": settings.training_seconds}
    if settings.spot:
        limits["MaxWaitTimeInSeconds"] = settings.spot_wait_seconds
    vpc = settings.make_vpc()
    run_tags = [{"Key": "assay:brand", "Value": lease.brand}, {"Key": "assay:run", "Value": lease.run}]
    return {
        "TrainingJobName": name,
        "HyperParameters": write_hyperparameters(lease),
        "AlgorithmSpecification": {
            "TrainingImage": settings.training_image,
            "TrainingInputMode": "File",
            "MetricDefinitions": METRIC_DEFINITIONS,
        },
        "RoleArn": settings.role_arn,
        "InputDataConfig": [
            _make_channel(IMAGES_CHANNEL, "ManifestFile", places.uri(places.manifest)),
            _make_channel(INPUT_CHANNEL, "S3Prefix", places.uri(places.input)),
        ],
        "OutputDataConfig": output,
        "ResourceConfig": resources,
        "StoppingCondition": limits,
        "Tags": [*settings.list_tags(), *run_tags],
        "EnableNetworkIsolation": True,
        "EnableInterContainerTrafficEncryption": settings.encrypt_traffic,
        "EnableManagedSpotTraining": settings.spot,
        "CheckpointConfig": {"S3Uri": places.uri(places.checkpoints), "LocalPath": "/opt/ml/checkpoints"},
        **({"VpcConfig": vpc} if vpc else {}),
    }


def _make_channel(name: str, kind: str, uri: str) -> dict[str, Any]:
    source = {"S3DataType": kind, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "InputMode": "File", "DataSource": {"S3DataSource": source}}
