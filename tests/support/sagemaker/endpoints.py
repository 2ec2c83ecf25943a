"""The endpoint half of the simulator: each endpoint really runs the engine's `serve` by SageMaker's contract.

An endpoint has one instance: a process of this Python (or, with `image`, a container), pinged as AWS does,
with 2 seconds to answer. An update starts the new instance beside the old one and goes back when it does not
answer. `InvokeEndpoint` is passed on; what the container answers but 2xx is a ModelError (424). A multi-model
endpoint fetches and unpacks archives from moto's S3, loads them by `/models`, and unloads the least used when
the container says 507.
"""

from __future__ import annotations

import hashlib
import io
import os
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.exceptions import ClientError

from tests.support.sagemaker.platform import ACCOUNT, REGION, Platform, Refusal

PING_SECONDS = 2.0
INVOKE_SECONDS = 60.0
START_SECONDS = 120.0
TARGET = "x-amzn-sagemaker-target-model"


@dataclass
class Instance:
    """A container that runs: its address, its models by TargetModel in order of use, and where they lie."""

    url: str
    folder: Path
    environment: dict[str, str]
    container: dict[str, Any]
    process: subprocess.Popen[bytes]
    name: str = ""
    loaded: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class EndpointState:
    """One endpoint as DescribeEndpoint tells of it."""

    name: str
    config: str
    status: str = "Creating"
    reason: str = ""
    instance: Instance | None = None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


class Endpoints:
    """Models, configurations and endpoints on a platform. `running()` names the instances that cost; `left()`
    all that was made and not deleted; `stop()` ends the instances."""

    def __init__(
        self,
        platform: Platform,
        folder: Path,
        *,
        image: str = "",
        environment: dict[str, str] | None = None,
    ) -> None:
        self._platform, self._folder, self._image = platform, folder, image
        self._environment = environment or {}
        self.models: dict[str, dict[str, Any]] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.endpoints: dict[str, EndpointState] = {}
        self.invocations: list[tuple[str, str]] = []
        self._broken: set[str] = set()
        self._instances = 0
        self._lock = threading.Lock()
        self._s3 = boto3.session.Session("test", "test-secret", region_name=REGION).client(
            "s3", endpoint_url=platform.moto_url
        )
        platform.operations |= {
            "CreateModel": self._create_model,
            "DeleteModel": self._delete_model,
            "ListModels": self._list_models,
            "CreateEndpointConfig": self._create_config,
            "DeleteEndpointConfig": self._delete_config,
            "ListEndpointConfigs": self._list_configs,
            "CreateEndpoint": self._create_endpoint,
            "UpdateEndpoint": self._update_endpoint,
            "DescribeEndpoint": self._describe_endpoint,
            "DeleteEndpoint": self._delete_endpoint,
            "ListEndpoints": self._list_endpoints,
        }
        platform.invoke = self._invoke

    def break_image(self, image: str) -> None:
        """Containers of this image never answer their ping."""
        self._broken.add(image)

    def running(self) -> list[str]:
        """The endpoints that cost now."""
        return [one.name for one in self.endpoints.values() if one.instance is not None]

    def left(self) -> list[str]:
        """Names of all that was made and not deleted."""
        return [*self.endpoints, *self.configs, *self.models]

    def stop(self) -> None:
        """Ends all instances."""
        for state in self.endpoints.values():
            _end(state.instance)
            state.instance = None

    # --- the control plane ---

    def _create_model(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["ModelName"]
        if name in self.models:
            raise Refusal(
                "ValidationException", f"Cannot create already existing model {_arn('model', name)}"
            )
        self.models[name] = request
        return {"ModelArn": _arn("model", name)}

    def _delete_model(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.models.pop(request["ModelName"], None) is None:
            raise Refusal("ValidationException", f"Could not find model {request['ModelName']!r}.")
        return {}

    def _list_models(self, request: dict[str, Any]) -> dict[str, Any]:
        now = datetime.now(UTC)
        return {
            "Models": [
                {"ModelName": name, "ModelArn": _arn("model", name), "CreationTime": now}
                for name in self.models
                if request.get("NameContains", "") in name
            ]
        }

    def _create_config(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["EndpointConfigName"]
        if name in self.configs:
            raise Refusal(
                "ValidationException",
                f"Cannot create already existing endpoint configuration {_arn('endpoint-config', name)}",
            )
        for variant in request["ProductionVariants"]:
            if variant["ModelName"] not in self.models:
                raise Refusal("ValidationException", f"Could not find model {variant['ModelName']!r}.")
        self.configs[name] = request
        return {"EndpointConfigArn": _arn("endpoint-config", name)}

    def _delete_config(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["EndpointConfigName"]
        if self.configs.pop(name, None) is None:
            raise Refusal("ValidationException", f"Could not find endpoint configuration {name!r}.")
        return {}

    def _list_configs(self, request: dict[str, Any]) -> dict[str, Any]:
        now = datetime.now(UTC)
        return {
            "EndpointConfigs": [
                {
                    "EndpointConfigName": name,
                    "EndpointConfigArn": _arn("endpoint-config", name),
                    "CreationTime": now,
                }
                for name in self.configs
                if request.get("NameContains", "") in name
            ]
        }

    def _create_endpoint(self, request: dict[str, Any]) -> dict[str, Any]:
        name, config = request["EndpointName"], request["EndpointConfigName"]
        with self._lock:
            if name in self.endpoints:
                raise Refusal(
                    "ValidationException", f"Cannot create already existing endpoint {_arn('endpoint', name)}"
                )
            self._check_config(config)
            self.endpoints[name] = EndpointState(name, config)
        threading.Thread(target=self._bring_up, args=(name, config), daemon=True).start()
        return {"EndpointArn": _arn("endpoint", name)}

    def _update_endpoint(self, request: dict[str, Any]) -> dict[str, Any]:
        name, config = request["EndpointName"], request["EndpointConfigName"]
        with self._lock:
            state = self._find(name)
            self._check_config(config)
            if state.status != "InService":
                raise Refusal("ValidationException", f"Cannot update in-progress endpoint {name!r}.")
            state.status, state.reason = "Updating", ""
        threading.Thread(target=self._bring_up, args=(name, config), daemon=True).start()
        return {"EndpointArn": _arn("endpoint", name)}

    def _describe_endpoint(self, request: dict[str, Any]) -> dict[str, Any]:
        state = self._find(request["EndpointName"])
        reason = {"FailureReason": state.reason} if state.reason else {}
        return {
            "EndpointName": state.name,
            "EndpointArn": _arn("endpoint", state.name),
            "EndpointConfigName": state.config,
            "EndpointStatus": state.status,
            "CreationTime": state.created,
            "LastModifiedTime": datetime.now(UTC),
            **reason,
        }

    def _delete_endpoint(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            state = self._find(request["EndpointName"])
            if state.status in ("Creating", "Updating"):
                raise Refusal("ValidationException", f"Cannot update in-progress endpoint {state.name!r}.")
            del self.endpoints[state.name]
        _end(state.instance)
        return {}

    def _list_endpoints(self, request: dict[str, Any]) -> dict[str, Any]:
        return {
            "Endpoints": [
                {
                    "EndpointName": state.name,
                    "EndpointArn": _arn("endpoint", state.name),
                    "CreationTime": state.created,
                    "LastModifiedTime": state.created,
                    "EndpointStatus": state.status,
                }
                for state in self.endpoints.values()
                if request.get("NameContains", "") in state.name
            ]
        }

    def _find(self, name: str) -> EndpointState:
        state = self.endpoints.get(name)
        if state is None:
            raise Refusal("ValidationException", f"Could not find endpoint {name!r}.")
        return state

    def _check_config(self, name: str) -> None:
        if name not in self.configs:
            raise Refusal("ValidationException", f"Could not find endpoint configuration {name!r}.")

    # --- instances ---

    def _bring_up(self, name: str, config: str) -> None:
        """Starts the new instance; the endpoint moves to it when it answers, and stays where it is else."""
        state = self.endpoints[name]
        variant = self.configs[config]["ProductionVariants"][0]
        container = self.models[variant["ModelName"]]["PrimaryContainer"]
        seconds = min(
            START_SECONDS, variant.get("ContainerStartupHealthCheckTimeoutInSeconds", START_SECONDS)
        )
        instance = self._start(container)
        answers = container["Image"] not in self._broken and _wait_for_ping(instance, seconds)
        with self._lock:
            if answers:
                old, state.instance = state.instance, instance
                state.config, state.status, state.reason = config, "InService", ""
            else:
                old = instance
                state.reason = "The primary container did not pass the ping health check."
                state.status = "InService" if state.instance is not None else "Failed"
        _end(old)

    def _start(self, container: dict[str, Any]) -> Instance:
        with self._lock:
            self._instances += 1
            folder = self._folder / f"instance-{self._instances}"
        (folder / "models").mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        given = {**container.get("Environment", {}), **self._platform.environment(), **self._environment}
        if container.get("Mode") == "MultiModel":
            given["SAGEMAKER_MULTI_MODEL"] = "true"
        name = ""
        if self._image:
            name = f"assay-simulated-{os.getpid()}-{self._instances}"
            variables = [part for key, value in given.items() for part in ("-e", f"{key}={value}")]
            command = [
                *("docker", "run", "--rm", "--name", name, "--network", "host"),
                *("-e", f"SAGEMAKER_BIND_TO_PORT={port}", "-v", f"{folder}:{folder}"),
                *variables,
                *(self._image, "serve"),
            ]
            environment = dict(os.environ)
        else:
            command = [sys.executable, "-m", "assay_engine.sagemaker_server"]
            environment = {
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(folder),
                "PYTHONPATH": os.environ.get("PYTHONPATH", os.pathsep.join(sys.path)),
                "ASSAY_DATA_DIR": str(folder / "data"),
                "SAGEMAKER_BIND_TO_PORT": str(port),
                **given,
            }
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        return Instance(f"http://127.0.0.1:{port}", folder, given, container, process, name)

    # --- the runtime ---

    def _invoke(
        self, name: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        state = self.endpoints.get(name)
        if state is None or state.instance is None:
            raise Refusal("ValidationError", f"Endpoint {name} of account {ACCOUNT} not found.")
        instance, target = state.instance, headers.get(TARGET, "")
        self.invocations.append((name, target))
        multi = instance.container.get("Mode") == "MultiModel"
        if multi != bool(target):
            raise Refusal(
                "ValidationError",
                "A TargetModel is needed" if multi else "This endpoint does not support TargetModel",
            )
        path = f"/models/{self._bring_in(instance, target)}/invoke" if multi else "/invocations"
        given = {"Content-Type": headers.get("content-type", "application/octet-stream")}
        try:
            answer = httpx.post(
                instance.url + path, content=body, headers=given, timeout=INVOKE_SECONDS, trust_env=False
            )
        except httpx.HTTPError as error:
            raise Refusal("ModelError", f"Received no response from primary: {error}", 424) from error
        if not answer.is_success:
            raise Refusal(
                "ModelError",
                f'Received server error ({answer.status_code}) from primary with message "{answer.text}".',
                424,
            )
        kind = answer.headers.get("content-type", "application/octet-stream")
        return 200, {"Content-Type": kind, "x-Amzn-Invoked-Production-Variant": "AllTraffic"}, answer.content

    def _bring_in(self, instance: Instance, target: str) -> str:
        """Sees that the container has loaded a model; its name there."""
        with instance.lock:
            if target in instance.loaded:
                instance.loaded[target] = instance.loaded.pop(target)
                return instance.loaded[target]
            name = hashlib.sha256(target.encode()).hexdigest()[:32]
            folder = self._unpack(instance, target, name)
            while True:
                answer = httpx.post(
                    f"{instance.url}/models",
                    json={"model_name": name, "url": str(folder)},
                    timeout=INVOKE_SECONDS,
                    trust_env=False,
                )
                if answer.status_code == 507 and instance.loaded:
                    least = next(iter(instance.loaded))
                    httpx.delete(
                        f"{instance.url}/models/{instance.loaded.pop(least)}", timeout=10, trust_env=False
                    ).raise_for_status()
                    continue
                if answer.status_code not in (200, 409):
                    raise Refusal("ModelError", f"Model {target}: {answer.status_code} {answer.text}", 424)
                instance.loaded[target] = name
                return name

    def _unpack(self, instance: Instance, target: str, name: str) -> Path:
        bucket, _, prefix = instance.container["ModelDataUrl"].removeprefix("s3://").partition("/")
        try:
            packed = self._s3.get_object(Bucket=bucket, Key=prefix + target)["Body"].read()
        except ClientError as error:
            raise Refusal(
                "ValidationError", f"Failed to download model data (bucket: {bucket}, key: {prefix}{target})."
            ) from error
        folder = instance.folder / "models" / name / "model"
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            for member in archive:
                if member.isfile() and "/" not in member.name:
                    file = archive.extractfile(member)
                    assert file is not None
                    (folder / member.name).write_bytes(file.read())
        return folder


def _arn(kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name}"


def _wait_for_ping(instance: Instance, seconds: float) -> bool:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up and instance.process.poll() is None:
        try:
            if httpx.get(f"{instance.url}/ping", timeout=PING_SECONDS, trust_env=False).status_code == 200:
                return True
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    return False


def _end(instance: Instance | None) -> None:
    if instance is None:
        return
    if instance.name:
        subprocess.run(["docker", "rm", "-f", instance.name], capture_output=True, check=False)
    instance.process.terminate()
    try:
        instance.process.wait(10)
    except subprocess.TimeoutExpired:
        instance.process.kill()
        instance.process.wait()
