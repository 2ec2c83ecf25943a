"""Settings of the endpoint in SageMaker, from the environment (`ASSAY_SAGEMAKER_*`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from assay_shared.aws import AwsSettings


class EndpointSettings(AwsSettings):
    """The endpoint: how the verify API asks it, and what `sagemaker_endpoint.py` makes of it."""

    endpoint: str = Field(
        default="assay", description="its name", pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,40}$"
    )
    endpoint_mode: Literal["engine", "multi-model"] = Field(
        default="engine",
        description="engine: brands are data in our own engine (CPU and GPU); multi-model: SageMaker loads"
        " and unloads one model a brand (CPU)",
    )
    endpoint_image: str = Field(
        default="", description="of the engine, in ECR; needed to make or update the endpoint"
    )
    endpoint_instance_type: str = Field(default="ml.g5.xlarge", description="one GPU at most is used")
    endpoint_instances: int = Field(default=1, ge=1, description="at least so many run")
    endpoint_max_instances: int = Field(
        default=1, ge=1, description="as many run at most under load; the same number: no autoscaling"
    )
    endpoint_slots: int = Field(
        default=4, ge=1, description="requests that each verify API sends to the endpoint at once"
    )
    endpoint_target_rate: float = Field(
        default=600.0, gt=0, description="invocations a minute and instance at which it scales"
    )
    endpoint_start_seconds: int = Field(
        default=900, ge=60, le=3600, description="until a new instance must answer its health check"
    )

    @model_validator(mode="after")
    def _check_instances(self) -> EndpointSettings:
        if self.endpoint_max_instances < self.endpoint_instances:
            raise ValueError("endpoint_max_instances is less than endpoint_instances")
        return self
