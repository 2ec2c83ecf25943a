"""SageMaker over HTTP for boto3's `endpoint_url`: control plane and runtime, with AWS's own shapes.

Every request is checked against boto3's service model, enumerations, patterns and limits included, and so is
every answer: no call passes here that AWS would refuse for its shape. What the operations do is in the parts
that register them (`jobs.py`, `endpoints.py`). S3, SQS, ECR, STS and CloudWatch Logs are moto's server.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse

from tests.support.moto import run_moto

REGION = "eu-west-1"
ACCOUNT = "123456789012"
"""moto's account."""
ROLE = f"arn:aws:iam::{ACCOUNT}:role/assay-sagemaker"

Operation = Callable[[dict[str, Any]], dict[str, Any]]
Invocation = Callable[[str, Mapping[str, str], bytes], tuple[int, dict[str, str], bytes]]


class Refusal(Exception):
    """An error answer of AWS: its code (`ValidationException`, `ThrottlingException`, …), text and status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Platform:
    """Runs between `start` and `stop`, on an `address` of this machine that whoever asks can reach.

    `operations` maps a control plane operation to what does it; `invoke`, where set, answers
    `InvokeEndpoint`: (endpoint, headers, body) to (status, headers, body).

    `calls` lists what was asked, in order, for tests to look at. IAM's simulation, which moto lacks, allows
    every action but those in `denied`; `simulated` lists what it was asked.
    """

    def __init__(self, address: str = "127.0.0.1") -> None:
        session = botocore.session.get_session()
        self._control = session.get_service_model("sagemaker")
        self.operations: dict[str, Operation] = {}
        self.invoke: Invocation | None = None
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.denied: set[str] = set()
        self.simulated: list[tuple[str, str]] = []
        self._failures: dict[str, list[Refusal]] = {}
        self._lock = threading.Lock()
        self._address = address
        self._moto = ExitStack()
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listens on ports of its own."""
        self._simulate_rights()
        self.moto_url = self._moto.enter_context(run_moto(self._address))
        platform = self

        class Handler(_Handler):
            answer = platform._answer

        self._server = ThreadingHTTPServer((self._address, 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Ends both servers."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        self._moto.close()

    @property
    def url(self) -> str:
        """Of SageMaker, control plane and runtime."""
        assert self._server is not None
        return f"http://{self._address}:{self._server.server_address[1]}"

    def environment(self) -> dict[str, str]:
        """The variables with which boto3 in any process finds this platform."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test-secret",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_ENDPOINT_URL": self.moto_url,
            "AWS_ENDPOINT_URL_SAGEMAKER": self.url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.url,
        }

    def _simulate_rights(self) -> None:
        platform = self

        def simulate_principal_policy(asked: IamResponse) -> ActionResult:
            [resource] = asked._get_param("ResourceArns")
            results = []
            for action in asked._get_param("ActionNames"):
                platform.simulated.append((action, resource))
                decision = "implicitDeny" if action in platform.denied else "allowed"
                results.append({"EvalActionName": action, "EvalDecision": decision})
            return ActionResult({"EvaluationResults": results, "IsTruncated": False})

        # moto's server answers by the methods of this class; its state is the process's in any case.
        setattr(IamResponse, simulate_principal_policy.__name__, simulate_principal_policy)

    def fail_next(self, operation: str, refusal: Refusal, times: int = 1) -> None:
        """The next calls of an operation (`InvokeEndpoint` too) are answered by an error."""
        with self._lock:
            self._failures.setdefault(operation, []).extend([refusal] * times)

    def clear_failures(self) -> None:
        """What was still to fail does not."""
        with self._lock:
            self._failures.clear()

    def _answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        try:
            endpoint = re.fullmatch(r"/endpoints/([A-Za-z0-9-]+)/invocations", path)
            if method == "POST" and endpoint:
                return self._invoke(endpoint[1], headers, body)
            return self._operate(headers, body)
        except Refusal as refusal:
            answer = {"__type": refusal.code, "message": refusal.message, "Message": refusal.message}
            return refusal.status, {"x-amzn-ErrorType": refusal.code}, json.dumps(answer).encode()

    def _invoke(
        self, endpoint: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        self._fail_if_told("InvokeEndpoint")
        if len(body) > 6_291_456:
            raise Refusal("ValidationError", f"Request body of {len(body)} bytes exceeds 6291456 bytes", 413)
        if self.invoke is None:
            raise Refusal("ValidationError", f"Endpoint {endpoint} of account {ACCOUNT} not found.")
        return self.invoke(endpoint, headers, body)

    def _operate(self, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        name = headers.get("x-amz-target", "").removeprefix("SageMaker.")
        if name not in self._control.operation_names:
            raise Refusal("UnknownOperationException", f"{name!r} is no operation of SageMaker", 404)
        model = self._control.operation_model(name)
        request = json.loads(body or b"{}")
        self.calls.append((name, request))
        self._fail_if_told(name)
        if model.input_shape is not None:
            problems = list(find_problems(request, model.input_shape, name))
            if problems:
                raise Refusal("ValidationException", "; ".join(problems))
        if name not in self.operations:
            raise Refusal("AccessDeniedException", f"the simulator has no {name}", 501)
        answer = self.operations[name](request)
        if model.output_shape is None:
            return 200, {}, b""
        problems = list(find_problems(answer, model.output_shape, f"answer of {name}"))
        assert not problems, problems
        return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(answer, default=_dump).encode()

    def _fail_if_told(self, operation: str) -> None:
        with self._lock:
            waiting = self._failures.get(operation)
            if waiting:
                raise waiting.pop(0)


def find_problems(value: Any, shape: Shape, place: str) -> list[str]:
    """What AWS's service model does not allow in a value, each with its place."""
    if isinstance(shape, StructureShape):
        if not isinstance(value, dict):
            return [f"{place}: not a structure"]
        found = [f"{place}: {name} is missing" for name in shape.required_members if name not in value]
        for name, one in value.items():
            if name not in shape.members:
                found.append(f"{place}: {name} is unknown")
            else:
                found += find_problems(one, shape.members[name], f"{place}.{name}")
        return found
    limits = shape.metadata
    if isinstance(shape, ListShape):
        if not isinstance(value, list):
            return [f"{place}: not a list"]
        found = [
            problem
            for number, one in enumerate(value)
            for problem in find_problems(one, shape.member, f"{place}[{number}]")
        ]
        return found + _check_size(len(value), limits, place)
    if isinstance(shape, MapShape):
        if not isinstance(value, dict):
            return [f"{place}: not a map"]
        found = []
        for name, one in value.items():
            found += find_problems(name, shape.key, f"{place} key {name!r}")
            found += find_problems(one, shape.value, f"{place}[{name!r}]")
        return found + _check_size(len(value), limits, place)
    if isinstance(shape, StringShape):
        if not isinstance(value, str):
            return [f"{place}: not a string"]
        found = _check_size(len(value), limits, place)
        if shape.enum and value not in shape.enum:
            found.append(f"{place}: {value!r} is none of {sorted(shape.enum)}")
        pattern = limits.get("pattern")
        if pattern and not _matches(pattern, value):
            found.append(f"{place}: {value!r} does not match {pattern}")
        return found
    if shape.type_name in ("integer", "long", "float", "double"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return [f"{place}: not a number"]
        if shape.type_name in ("integer", "long") and not isinstance(value, int):
            return [f"{place}: not a whole number"]
        return _check_size(value, limits, place)
    if shape.type_name == "boolean" and not isinstance(value, bool):
        return [f"{place}: not a boolean"]
    if shape.type_name == "timestamp" and not isinstance(value, int | float | datetime):
        return [f"{place}: not a time"]
    return []


def _check_size(size: float, limits: Mapping[str, Any], place: str) -> list[str]:
    found = []
    if "min" in limits and size < limits["min"]:
        found.append(f"{place}: {size} is under {limits['min']}")
    if "max" in limits and size > limits["max"]:
        found.append(f"{place}: {size} is over {limits['max']}")
    return found


def _matches(pattern: str, value: str) -> bool:
    # Some of AWS's patterns use Java's classes, which Python's re does not know.
    for java, python in (
        (r"\p{L}", "A-Za-zÀ-ɏ"),
        (r"\p{N}", r"\d"),
        (r"\p{Z}", r"\s"),
        (r"\p{P}", r"!-/:-@"),
    ):
        pattern = pattern.replace(java, python)
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:
        return True


def _dump(value: object) -> float:
    assert isinstance(value, datetime)
    return value.timestamp()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answer: Callable[..., tuple[int, dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, extra, answer = type(self).answer("POST", self.path, headers, body)
        self.send_response(status)
        for name, value in extra.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        return
