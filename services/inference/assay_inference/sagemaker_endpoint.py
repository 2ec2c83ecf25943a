"""The endpoint's life in AWS: `python -m assay_inference.sagemaker_endpoint up | down | status`.

`up` makes what is missing, and otherwise moves the endpoint to what the settings say: a new model and
endpoint configuration, named by their content, and an update that AWS rolls back by itself when the new
instances do not answer. What is no longer used is deleted after that. `down` deletes everything that costs.
Both may be run again at any time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from assay_inference.sagemaker_settings import EndpointSettings
from assay_shared.aws import AwsRefused, has_own_disk, make_client, naming, read_settings
from assay_shared.errors import AssayError, InvalidRequest, Unavailable

VARIANT = "AllTraffic"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"
POLICY = "assay-invocations"
COOL_OUT_SECONDS, COOL_IN_SECONDS = 60, 600
"""Between two changes: up soon, down late, for an instance takes minutes to start."""
POLL_SECONDS = 10.0
LIMIT_SECONDS = 3600.0
"""For one change of the endpoint."""
MOVING = ("Creating", "Updating", "SystemUpdating", "RollingBack")


class EndpointFailed(AssayError):
    """AWS could not make or change the endpoint; the reason is AWS's, and so is what serves now."""

    type = "endpoint-failed"
    title = "The endpoint could not be changed"
    status = 502


class Endpoint:
    """The endpoint of these settings. `tell` is given a line at every step.

    Methods raise AwsUnavailable, AwsDenied and AwsRefused beside what they name.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        tell: Callable[[str], None] = print,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._settings, self._tell, self._poll = settings, tell, poll_seconds
        self._name = settings.endpoint
        self._aws: Any = make_client("sagemaker", settings.region)
        self._scaling: Any = make_client("application-autoscaling", settings.region)

    def up(self) -> None:
        """Makes the endpoint, or moves it to the settings, and waits. Raises EndpointFailed, and
        InvalidRequest without an image."""
        if not self._settings.endpoint_image:
            raise InvalidRequest("ASSAY_SAGEMAKER_ENDPOINT_IMAGE must name the engine's image in ECR")
        state = self._wait(self._describe())
        wanted = self._describe_wanted()
        name = f"{self._name}-{hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:12]}"
        if state is not None and state["EndpointStatus"] == "Failed":
            self._tell(f"endpoint {self._name} had failed and is made anew")
            self._delete_endpoint()
            state = None
        if state is None or state["EndpointConfigName"] != name:
            self._make_parts(name, wanted)
        if state is None:
            self._tell(f"making the endpoint {self._name} ({self._settings.endpoint_instance_type})")
            with naming(f"making the endpoint {self._name}"):
                self._aws.create_endpoint(
                    EndpointName=self._name, EndpointConfigName=name, Tags=self._settings.list_tags()
                )
        elif state["EndpointConfigName"] != name:
            self._tell(f"moving the endpoint {self._name} to {name}; the old instances serve until then")
            # What scales would otherwise be set back by the new configuration's number of instances.
            self._stop_scaling()
            with naming(f"updating the endpoint {self._name}"):
                self._aws.update_endpoint(EndpointName=self._name, EndpointConfigName=name)
        self._check(self._wait(self._describe()), name)
        self._scale()
        self._remove_old(name)
        self._tell(f"endpoint {self._name} is in service")

    def down(self) -> None:
        """Deletes the endpoint, its configurations and models, and its scaling; nothing that costs is left
        but what lies in the bucket."""
        state = self._wait(self._describe())
        self._stop_scaling()
        if state is not None:
            self._delete_endpoint()
        self._remove_old(None)
        self._tell(f"endpoint {self._name} and all of its parts are gone; models stay in the bucket")

    def status(self) -> str:
        """AWS's word for the endpoint's state, with the reason of a failure; `absent` without one."""
        state = self._describe()
        if state is None:
            return "absent"
        reason = state.get("FailureReason")
        return f"{state['EndpointStatus']}: {reason}" if reason else str(state["EndpointStatus"])

    def list_parts(self) -> dict[str, list[str]]:
        """Names of what is left in AWS, by kind: what `down` must bring to nothing."""
        return {
            "endpoints": [self._name] if self._describe() is not None else [],
            "configurations": list(
                self._list("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName")
            ),
            "models": list(self._list("list_models", "Models", "ModelName")),
        }

    def _describe_wanted(self) -> dict[str, Any]:
        settings = self._settings
        multi = settings.endpoint_mode == "multi-model"
        container: dict[str, Any] = {
            "Image": settings.endpoint_image,
            "Mode": "MultiModel" if multi else "SingleModel",
            "Environment": {
                "ASSAY_SAGEMAKER_REGION": settings.region,
                "ASSAY_SAGEMAKER_BUCKET": settings.bucket,
                "ASSAY_SAGEMAKER_PREFIX": settings.prefix,
                "ASSAY_SAGEMAKER_ENDPOINT_MODE": settings.endpoint_mode,
            },
        }
        if multi:
            container["ModelDataUrl"] = f"s3://{settings.bucket}/{settings.prefix}/multi-model/"
        model: dict[str, Any] = {"PrimaryContainer": container, "ExecutionRoleArn": settings.role_arn}
        if (vpc := settings.make_vpc()) is not None:
            model["VpcConfig"] = vpc
        variant = {
            "VariantName": VARIANT,
            "InstanceType": settings.endpoint_instance_type,
            "InitialInstanceCount": settings.endpoint_instances,
            "ContainerStartupHealthCheckTimeoutInSeconds": settings.endpoint_start_seconds,
        }
        configuration: dict[str, Any] = {"ProductionVariants": [variant]}
        if settings.kms_key and not has_own_disk(settings.endpoint_instance_type):
            configuration["KmsKeyId"] = settings.kms_key
        return {"model": model, "configuration": configuration}

    def _make_parts(self, name: str, wanted: dict[str, Any]) -> None:
        tags = self._settings.list_tags()
        with naming(f"making the model {name}"):
            self._create(self._aws.create_model, ModelName=name, Tags=tags, **wanted["model"])
        variants = [one | {"ModelName": name} for one in wanted["configuration"]["ProductionVariants"]]
        with naming(f"making the endpoint configuration {name}"):
            self._create(
                self._aws.create_endpoint_config,
                EndpointConfigName=name,
                Tags=tags,
                **(wanted["configuration"] | {"ProductionVariants": variants}),
            )

    def _create(self, create: Callable[..., Any], **request: Any) -> None:
        """Names say what is in them, so what exists already is what is wanted."""
        from botocore.exceptions import ClientError

        try:
            create(**request)
        except ClientError as error:
            if "already exist" not in str(error.response["Error"].get("Message", "")):
                raise

    def _check(self, state: dict[str, Any] | None, name: str) -> None:
        if state is None:
            raise EndpointFailed(f"The endpoint {self._name} was deleted meanwhile; run it again")
        reason = state.get("FailureReason") or "AWS gives no reason; look into its CloudWatch log"
        if state["EndpointStatus"] != "InService":
            raise EndpointFailed(f"The endpoint {self._name} is {state['EndpointStatus']}: {reason}")
        if state["EndpointConfigName"] != name:
            self._scale()
            raise EndpointFailed(
                f"The endpoint {self._name} went back to {state['EndpointConfigName']}, which serves on: "
                f"{reason}"
            )

    def _wait(self, state: dict[str, Any] | None) -> dict[str, Any] | None:
        """The endpoint's state when it moves no more. Raises EndpointFailed after LIMIT_SECONDS."""
        started, last = time.monotonic(), ""
        while state is not None and state["EndpointStatus"] in (*MOVING, "Deleting"):
            if state["EndpointStatus"] != last:
                last = state["EndpointStatus"]
                self._tell(f"endpoint {self._name}: {last}")
            if time.monotonic() - started > LIMIT_SECONDS:
                raise EndpointFailed(f"The endpoint {self._name} is {last} for an hour; look at it in AWS")
            time.sleep(self._poll)
            try:
                state = self._describe()
            except Unavailable as error:
                self._tell(f"AWS does not answer, trying on: {error.detail}")
        return state

    def _describe(self) -> dict[str, Any] | None:
        try:
            with naming(f"looking at the endpoint {self._name}"):
                found: dict[str, Any] = self._aws.describe_endpoint(EndpointName=self._name)
        except AwsRefused as error:
            if "Could not find" in error.detail:
                return None
            raise
        return found

    def _delete_endpoint(self) -> None:
        with naming(f"deleting the endpoint {self._name}"):
            self._aws.delete_endpoint(EndpointName=self._name)
        while self._describe() is not None:
            time.sleep(self._poll)
        self._tell(f"endpoint {self._name} deleted")

    def _remove_old(self, kept: str | None) -> None:
        """Deletes configurations and models of this endpoint but the one that is kept."""
        for kind, listed, member, key, delete in (
            (
                "configuration",
                "list_endpoint_configs",
                "EndpointConfigs",
                "EndpointConfigName",
                "delete_endpoint_config",
            ),
            ("model", "list_models", "Models", "ModelName", "delete_model"),
        ):
            for name in list(self._list(listed, member, key)):
                if name != kept:
                    with naming(f"deleting the {kind} {name}"):
                        getattr(self._aws, delete)(**{key: name})
                    self._tell(f"{kind} {name} deleted")

    def _list(self, operation: str, member: str, key: str) -> Iterator[str]:
        """Names of this endpoint's own parts: its name, a dash and twelve hexadecimal digits."""
        with naming(f"listing {member}"):
            for page in self._aws.get_paginator(operation).paginate(NameContains=f"{self._name}-"):
                for one in page[member]:
                    start, _, rest = str(one[key]).rpartition("-")
                    if start == self._name and len(rest) == 12 and set(rest) <= set("0123456789abcdef"):
                        yield one[key]

    def _scale(self) -> None:
        """Scales by invocations where more instances are allowed than always run."""
        least, most = self._settings.endpoint_instances, self._settings.endpoint_max_instances
        if most == least:
            self._stop_scaling()
            return
        target = {
            "ServiceNamespace": "sagemaker",
            "ResourceId": self._resource,
            "ScalableDimension": DIMENSION,
        }
        with naming(f"scaling the endpoint {self._name}"):
            self._scaling.register_scalable_target(**target, MinCapacity=least, MaxCapacity=most)
            self._scaling.put_scaling_policy(
                **target,
                PolicyName=POLICY,
                PolicyType="TargetTrackingScaling",
                TargetTrackingScalingPolicyConfiguration={
                    "TargetValue": self._settings.endpoint_target_rate,
                    "PredefinedMetricSpecification": {
                        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
                    },
                    "ScaleOutCooldown": COOL_OUT_SECONDS,
                    "ScaleInCooldown": COOL_IN_SECONDS,
                },
            )
        self._tell(f"endpoint {self._name} runs {least} to {most} instances")

    def _stop_scaling(self) -> None:
        try:
            with naming(f"ending the scaling of the endpoint {self._name}"):
                self._scaling.deregister_scalable_target(
                    ServiceNamespace="sagemaker", ResourceId=self._resource, ScalableDimension=DIMENSION
                )
        except AwsRefused as error:
            # AWS says of a target that there is none: "No scalable target found".
            if error.extra.get("code") not in ("ObjectNotFoundException", "ValidationException"):
                raise

    @property
    def _resource(self) -> str:
        return f"endpoint/{self._name}/variant/{VARIANT}"


def main(arguments: list[str] | None = None) -> int:
    """Does what it is asked; 0, or 1 after a line that says what to do."""
    parser = argparse.ArgumentParser(prog="assay_inference.sagemaker_endpoint", description=__doc__)
    parser.add_argument("verb", choices=("up", "down", "status"))
    asked = parser.parse_args(arguments)
    try:
        endpoint = Endpoint(read_settings(EndpointSettings))
        if asked.verb == "status":
            print(endpoint.status())
        elif asked.verb == "up":
            endpoint.up()
        else:
            endpoint.down()
    except AssayError as error:
        print(f"assay: {error.detail}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
