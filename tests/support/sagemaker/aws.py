"""An account as `deploy/sagemaker/stack.yml` leaves it, in moto: bucket, role, images in ECR, queue."""

from __future__ import annotations

import json
from typing import Any

from tests.support.sagemaker.platform import ACCOUNT, REGION, ROLE

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
TRUST = {"Statement": [{"Principal": {"Service": "sagemaker.amazonaws.com"}, "Effect": "Allow"}]}


def make_account(boto3: Any, bucket: str) -> dict[str, str]:
    """Makes all of it with clients of the present environment; what `.env` must say of it."""
    boto3.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    boto3.client("iam").create_role(
        RoleName=ROLE.rpartition("/")[2], AssumeRolePolicyDocument=json.dumps(TRUST)
    )
    boto3.client("logs").create_log_group(logGroupName="/aws/sagemaker/TrainingJobs")
    queue = boto3.client("sqs").create_queue(QueueName="assay")["QueueUrl"]
    ecr, registry = boto3.client("ecr"), f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
    for name in ("assay-trainer", "assay-engine"):
        ecr.create_repository(repositoryName=name)
        image = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": {"size": 7}})
        ecr.put_image(repositoryName=name, imageManifest=image, imageTag="one")
    return {
        "ASSAY_SAGEMAKER_REGION": REGION,
        "ASSAY_SAGEMAKER_BUCKET": bucket,
        "ASSAY_SAGEMAKER_ROLE_ARN": ROLE,
        "ASSAY_SAGEMAKER_EVENTS_QUEUE_URL": queue,
        "ASSAY_SAGEMAKER_TRAINING_IMAGE": f"{registry}/assay-trainer:one",
        "ASSAY_SAGEMAKER_ENDPOINT_IMAGE": f"{registry}/assay-engine:one",
    }
