"""Settings of training at SageMaker, beside those that the endpoint shares (`assay_shared.aws`)."""

from __future__ import annotations

from typing import Self

from pydantic import Field, ValidationError, model_validator

from assay_shared.aws import AwsSettings, name_problems
from assay_shared.errors import AssayError

MAX_RUNTIME = 2_419_200
"""Seconds; AWS's own limit, 28 days."""


class SettingsMissing(AssayError):
    """The box is to train at SageMaker and does not say with what."""

    type = "settings-missing"
    title = "Settings are missing"
    status = 422


class TrainingJobSettings(AwsSettings):
    """From the environment (`ASSAY_SAGEMAKER_*`)."""

    training_image: str = Field(
        description="the trainer's image in ECR, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/"
        "assay-trainer:1.0",
        max_length=255,
    )
    training_instance_type: str = Field(
        default="ml.g5.xlarge", description="one GPU is used; a larger one fits larger batches"
    )
    training_instance_count: int = Field(
        default=1, ge=1, description="training is not distributed: of several the first trains, all cost"
    )
    training_volume_gb: int = Field(default=30, ge=5, description="disk of an instance, in GB")
    training_seconds: int = Field(
        default=3600, ge=60, le=MAX_RUNTIME, description="a job that trains for longer is stopped"
    )
    spot: bool = Field(
        default=True, description="managed spot training: up to 90 % cheaper, and may be interrupted"
    )
    spot_wait_seconds: int = Field(
        default=7200,
        ge=60,
        le=MAX_RUNTIME,
        description="with spot: for waiting and training together; at least ASSAY_SAGEMAKER_TRAINING_SECONDS",
    )
    encrypt_traffic: bool = Field(
        default=False, description="encrypt what several instances say to each other; it costs time"
    )
    events_queue_url: str = Field(
        default="", description="SQS queue with EventBridge's state changes; empty: polling alone"
    )
    poll_seconds: float = Field(default=15.0, gt=0, description="between two looks at a job")
    training_jobs: int = Field(default=4, ge=1, le=64, description="jobs at once that one trainer watches")
    reads_store: bool | None = Field(
        default=None,
        description="whether jobs read the pictures from Assay's own store; default: if S3_ENDPOINT is "
        "Amazon's. Otherwise they are copied to the bucket",
    )

    @model_validator(mode="after")
    def _check_spot_wait(self) -> Self:
        if self.spot and self.spot_wait_seconds < self.training_seconds:
            raise ValueError(
                f"ASSAY_SAGEMAKER_SPOT_WAIT_SECONDS ({self.spot_wait_seconds}) must be at least "
                f"ASSAY_SAGEMAKER_TRAINING_SECONDS ({self.training_seconds}): it counts both"
            )
        return self


def read_job_settings() -> TrainingJobSettings:
    """The settings in the environment. Raises SettingsMissing, which names each that is missing or wrong."""
    try:
        return TrainingJobSettings()
    except ValidationError as error:
        told = "; ".join(f"{name}: {problem}" for name, problem in name_problems(error))
        raise SettingsMissing(f"Training at SageMaker cannot be set up: {told}") from error
