"""The training half of the simulator: each job really runs the trainer's entry point by SageMaker's contract.

A job is a thread: it lays out a folder like /opt/ml from moto's S3, runs `train` in it as a process (or, with
`image`, in a container without network), keeps `checkpoints/` in step with S3, writes the log to CloudWatch
Logs, reads metrics by the job's own definitions, packs `model.tar.gz`, and tells every change of state to an
SQS queue as EventBridge does: each event twice, and not in order. Errors of AWS are asked for by name:
`interrupt` (spot), `starve` (no capacity), `lose_artifact`, and the platform's own `fail_next`.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import boto3

from tests.support.sagemaker.platform import ACCOUNT, REGION, Platform, Refusal

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
GRACE_SECONDS = 120.0
SYNC_SECONDS = 0.3
"""Between two looks at `checkpoints/` and the log; AWS takes longer, and says nothing of how long."""
ASKED = {
    *("HyperParameters", "AlgorithmSpecification", "RoleArn", "InputDataConfig", "OutputDataConfig"),
    *("ResourceConfig", "VpcConfig", "StoppingCondition", "EnableNetworkIsolation", "CheckpointConfig"),
    *("EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining", "Environment"),
}
"""What DescribeTrainingJob repeats of the request."""
ENDED = ("Completed", "Failed", "Stopped")


@dataclass
class TrainingJob:
    """One job: what was asked for, and where it is. `attempts` counts the times that `train` was run."""

    request: dict[str, Any]
    folder: Path
    status: str = "InProgress"
    secondary: str = "Starting"
    reason: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: datetime | None = None
    ended: datetime | None = None
    transitions: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    attempts: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    interrupt: threading.Event = field(default_factory=threading.Event)
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """The job's name."""
        name: str = self.request["TrainingJobName"]
        return name

    @property
    def arn(self) -> str:
        """The job's ARN."""
        return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{self.name}"

    @property
    def artifact(self) -> str:
        """Where `model.tar.gz` goes."""
        return (
            f"{self.request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.name}/output/model.tar.gz"
        )


class Jobs:
    """Training jobs on a platform. `queue_url`: where events go; `image`: run that with `docker run` instead
    of a process of this Python; `environment`: further variables of the process.

    `running()` names what still costs; `stop()` ends all of it.
    """

    def __init__(
        self,
        platform: Platform,
        folder: Path,
        *,
        queue_url: str = "",
        image: str = "",
        environment: dict[str, str] | None = None,
    ) -> None:
        self._platform, self._folder = platform, folder
        self._image, self._environment = image, environment or {}
        self.queue_url = queue_url
        self.jobs: dict[str, TrainingJob] = {}
        self._starving, self._losing = 0, 0
        self._held: str | None = None
        self._lock = threading.Lock()
        session = boto3.session.Session("test", "test-secret", region_name=REGION)
        self._s3, self._sqs, self._logs = (
            session.client(service, endpoint_url=platform.moto_url) for service in ("s3", "sqs", "logs")
        )
        platform.operations |= {
            "CreateTrainingJob": self._create,
            "DescribeTrainingJob": self._describe,
            "StopTrainingJob": self._stop,
            "ListTrainingJobs": self._list,
        }

    def interrupt(self, name: str) -> None:
        """AWS takes a spot instance back: SIGTERM, 120 seconds, and the job starts again on another one."""
        self.jobs[name].interrupt.set()

    def starve(self, times: int = 1) -> None:
        """The next jobs find no instance and fail."""
        self._starving = times

    def lose_artifact(self) -> None:
        """The next job that completes has no `model.tar.gz` in S3."""
        self._losing = 1

    def running(self) -> list[str]:
        """The jobs that cost now."""
        return [job.name for job in self.jobs.values() if job.status not in ENDED]

    def stop(self) -> None:
        """Ends every job, and waits for it."""
        for job in self.jobs.values():
            job.stop.set()
            if job.process is not None and job.process.poll() is None:
                self._kill(job, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while self.running() and time.monotonic() < deadline:
            time.sleep(0.05)

    # --- the control plane ---

    def _create(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["TrainingJobName"]
        self._check(request)
        with self._lock:
            if name in self.jobs:
                raise Refusal("ResourceInUse", f"Training job names must be unique: {name} exists")
            job = self.jobs[name] = TrainingJob(request, self._folder / name)
        threading.Thread(target=self._run, args=(job,), name=name, daemon=True).start()
        return {"TrainingJobArn": job.arn}

    def _check(self, request: dict[str, Any]) -> None:
        """What AWS checks beyond shapes."""
        limits = request.get("StoppingCondition", {})
        seconds = limits.get("MaxRuntimeInSeconds", 86400)
        if request.get("EnableManagedSpotTraining"):
            if limits.get("MaxWaitTimeInSeconds", 0) < seconds:
                raise Refusal(
                    "ValidationException", "MaxWaitTimeInSeconds must be at least MaxRuntimeInSeconds"
                )
        elif "MaxWaitTimeInSeconds" in limits:
            raise Refusal("ValidationException", "MaxWaitTimeInSeconds is for managed spot training alone")
        names = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
        if len(set(names)) < len(names):
            raise Refusal("ValidationException", f"Channel names must be unique: {names}")

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        job = self._find(request)
        answer = {name: job.request[name] for name in ASKED if name in job.request}
        answer |= {
            "TrainingJobName": job.name,
            "TrainingJobArn": job.arn,
            "ModelArtifacts": {"S3ModelArtifacts": job.artifact},
            "TrainingJobStatus": job.status,
            "SecondaryStatus": job.secondary,
            "SecondaryStatusTransitions": job.transitions,
            "CreationTime": job.created,
            "LastModifiedTime": job.transitions[-1]["StartTime"] if job.transitions else job.created,
        }
        if job.started is not None:
            answer["TrainingStartTime"] = job.started
        if job.ended is not None:
            seconds = max(1, int((job.ended - (job.started or job.ended)).total_seconds()))
            answer |= {"TrainingEndTime": job.ended, "BillableTimeInSeconds": seconds}
        if job.metrics:
            now = job.ended or datetime.now(UTC)
            answer["FinalMetricDataList"] = [
                {"MetricName": name, "Value": value, "Timestamp": now}
                for name, value in dict(job.metrics).items()
            ]
        if job.reason:
            answer["FailureReason"] = job.reason[:1024]
        return answer

    def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        job = self._find(request)
        if job.status in ENDED:
            raise Refusal(
                "ValidationException",
                f"The request was rejected because the training job is in status {job.status}.",
            )
        self._enter(job, "Stopping", "Stopping")
        job.stop.set()
        return {}

    def _list(self, request: dict[str, Any]) -> dict[str, Any]:
        """All on one page, newest first."""
        found = [
            {
                "TrainingJobName": job.name,
                "TrainingJobArn": job.arn,
                "CreationTime": job.created,
                "TrainingJobStatus": job.status,
                **({"TrainingEndTime": job.ended} if job.ended else {}),
            }
            for job in reversed(self.jobs.values())
            if request.get("NameContains", "") in job.name
            and request.get("StatusEquals", job.status) == job.status
        ]
        return {"TrainingJobSummaries": found}

    def _find(self, request: dict[str, Any]) -> TrainingJob:
        job = self.jobs.get(request["TrainingJobName"])
        if job is None:
            raise Refusal("ValidationException", "Requested resource not found.")
        return job

    # --- a job's life ---

    def _run(self, job: TrainingJob) -> None:
        try:
            self._enter(job, "InProgress", "Starting")
            with self._lock:
                starves, self._starving = self._starving > 0, max(0, self._starving - 1)
            if starves:
                self._fail(
                    job,
                    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a "
                    "different ML instance type or after some time.",
                )
                return
            while self._train(job) == "interrupted":
                self._enter(job, "InProgress", "Interrupted")
                self._enter(job, "InProgress", "Starting")
        except _InputMissing as error:
            self._fail(job, f"ClientError: Data download failed: {error}")
        except Exception as error:
            self._fail(job, f"InternalServerError: {type(error).__name__}: {error}")

    def _train(self, job: TrainingJob) -> str:
        shutil.rmtree(job.folder, ignore_errors=True)
        self._enter(job, "InProgress", "Downloading")
        self._lay_out(job)
        if job.stop.is_set():
            self._end(job, "Stopped", "Stopped")
            return "ended"
        self._enter(job, "InProgress", "Training")
        job.started = job.started or datetime.now(UTC)
        job.attempts += 1
        stream = f"{job.name}/algo-1-{int(time.time() * 1000)}"
        log = _Log(self._logs, stream, job)
        job.process = self._start(job)
        reader = threading.Thread(target=log.read, args=(job.process,), daemon=True)
        reader.start()
        why = self._watch(job, log)
        reader.join(timeout=10)
        log.send()
        self._upload_checkpoints(job)
        if why == "interrupted":
            return why
        if why == "":
            self._conclude(job, job.process.returncode)
            return "ended"
        self._enter(job, "Stopping", "Uploading")
        self._pack(job)
        self._end(job, "Stopped", why)
        return "ended"

    def _watch(self, job: TrainingJob, log: _Log) -> str:
        """Until the process has ended: by itself (empty), `interrupted`, or as the secondary status says."""
        process = job.process
        assert process is not None
        assert job.started is not None
        while process.poll() is None:
            why = ""
            limit = job.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 86400)
            if job.stop.is_set():
                why = "Stopped"
            elif job.interrupt.is_set():
                job.interrupt.clear()
                why = "interrupted"
            elif (datetime.now(UTC) - job.started).total_seconds() > limit:
                why = "MaxRuntimeExceeded"
            if why:
                self._kill(job, signal.SIGTERM)
                try:
                    process.wait(GRACE_SECONDS)
                except subprocess.TimeoutExpired:
                    self._kill(job, signal.SIGKILL)
                    process.wait()
                return why
            self._upload_checkpoints(job)
            log.send()
            time.sleep(SYNC_SECONDS)
        return ""

    def _conclude(self, job: TrainingJob, status: int) -> None:
        if status != 0:
            path = job.folder / "output/failure"
            failure = path.read_text()[:1024] if path.exists() else ""
            self._fail(job, f"AlgorithmError: {failure}, exit code: {status}")
            return
        self._enter(job, "InProgress", "Uploading")
        self._pack(job)
        self._end(job, "Completed", "Completed")

    def _start(self, job: TrainingJob) -> subprocess.Popen[bytes]:
        given = {**job.request.get("Environment", {}), "TRAINING_JOB_NAME": job.name}
        if self._image:
            command = ["docker", "run", "--rm", "--network", "none", "--shm-size", "1g"]
            command += ["--name", job.name, "--volume", f"{job.folder}:/opt/ml"]
            command += [word for pair in given.items() for word in ("--env", "=".join(pair))]
            return subprocess.Popen(
                [*command, self._image, "train"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        # Nothing of AWS or of Assay's stores: an isolated job has neither network nor credentials.
        inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
        environment = {
            **inherited,
            "ASSAY_SAGEMAKER_FOLDER": str(job.folder),
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_WAIT_POLICY": "PASSIVE",
            **given,
            **self._environment,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "assay_trainer.sagemaker_train"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def _kill(self, job: TrainingJob, number: signal.Signals) -> None:
        assert job.process is not None
        if self._image:
            subprocess.run(
                ["docker", "kill", "--signal", number.name, job.name], check=False, capture_output=True
            )
        else:
            job.process.send_signal(number)

    # --- /opt/ml and S3 ---

    def _lay_out(self, job: TrainingJob) -> None:
        folder, request = job.folder, job.request
        for name in ("input/config", "input/data", "model", "output", "checkpoints"):
            (folder / name).mkdir(parents=True)
        channels = request.get("InputDataConfig", [])
        hosts = [f"algo-{n + 1}" for n in range(request.get("ResourceConfig", {}).get("InstanceCount", 1))]
        configs: dict[str, Any] = {
            "hyperparameters": request.get("HyperParameters", {}),
            "inputdataconfig": {
                channel["ChannelName"]: {
                    "ContentType": channel.get("ContentType", "None"),
                    "TrainingInputMode": channel.get("InputMode", "File"),
                    "S3DistributionType": "FullyReplicated",
                    "RecordWrapperType": "None",
                }
                for channel in channels
            },
            "resourceconfig": {
                "current_host": "algo-1",
                "hosts": hosts,
                "network_interface_name": "eth0",
            },
        }
        for name, value in configs.items():
            (folder / "input/config" / f"{name}.json").write_text(json.dumps(value))
        for channel in channels:
            self._fetch_channel(channel, folder / "input/data" / channel["ChannelName"])
        if "CheckpointConfig" in request:
            bucket, prefix = split(request["CheckpointConfig"]["S3Uri"])
            for key in self._keys(bucket, prefix):
                self._fetch(bucket, key, folder / "checkpoints" / key.removeprefix(prefix).lstrip("/"))
        if self._image:
            # As on a machine of SageMaker's, where whatever user the image runs as may write.
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o777 if path.is_dir() else 0o666)

    def _fetch_channel(self, channel: dict[str, Any], folder: Path) -> None:
        folder.mkdir()
        source = channel["DataSource"]["S3DataSource"]
        bucket, key = split(source["S3Uri"])
        if source["S3DataType"] == "ManifestFile":
            head, *names = json.loads(self._read(bucket, key))
            bucket, prefix = split(head["prefix"])
            for name in names:
                self._fetch(bucket, prefix + name, folder / name)
            return
        keys = self._keys(bucket, key)
        if not keys:
            raise _InputMissing(f"No S3 objects found under S3 URL {source['S3Uri']!r} given in input data")
        for one in keys:
            self._fetch(bucket, one, folder / one.removeprefix(key).lstrip("/"))

    def _read(self, bucket: str, key: str) -> bytes:
        try:
            data: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except self._s3.exceptions.ClientError as error:
            raise _InputMissing(f"s3://{bucket}/{key}: {error}") from error
        return data

    def _fetch(self, bucket: str, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self._read(bucket, key))

    def _keys(self, bucket: str, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def _upload_checkpoints(self, job: TrainingJob) -> None:
        """What is there and is not the same in S3; nothing is ever deleted there."""
        if "CheckpointConfig" not in job.request:
            return
        bucket, prefix = split(job.request["CheckpointConfig"]["S3Uri"])
        folder = job.folder / "checkpoints"
        for path in folder.rglob("*"):
            key = f"{prefix.rstrip('/')}/{path.relative_to(folder).as_posix()}"
            stamp = folder.parent / ".synced" / path.relative_to(folder)
            try:
                changed = path.stat().st_mtime_ns
                if not path.is_file() or (stamp.exists() and stamp.read_text() == str(changed)):
                    continue
                self._s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
            except FileNotFoundError:
                continue
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.write_text(str(changed))

    def _pack(self, job: TrainingJob) -> None:
        if self._losing:
            self._losing -= 1
            return
        path = job.folder / "model.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for one in sorted((job.folder / "model").iterdir()):
                archive.add(one, one.name)
        bucket, key = split(job.artifact)
        self._s3.upload_file(str(path), bucket, key)

    # --- states ---

    def _fail(self, job: TrainingJob, reason: str) -> None:
        job.reason = reason
        self._end(job, "Failed", "Failed")

    def _end(self, job: TrainingJob, status: str, secondary: str) -> None:
        job.ended = datetime.now(UTC)
        self._enter(job, status, secondary)

    def _enter(self, job: TrainingJob, status: str, secondary: str) -> None:
        now = datetime.now(UTC)
        if job.transitions:
            job.transitions[-1]["EndTime"] = now
        job.transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": secondary})
        # A stop that was asked for meanwhile is not forgotten by what comes before the end.
        job.status = "Stopping" if status == "InProgress" and job.stop.is_set() else status
        job.secondary = secondary
        if self.queue_url:
            self._tell(job)

    def _tell(self, job: TrainingJob) -> None:
        """The event, and after it the one before once more: twice each, and out of order."""
        detail = {
            "TrainingJobName": job.name,
            "TrainingJobArn": job.arn,
            "TrainingJobStatus": job.status,
            "SecondaryStatus": job.secondary,
            "CreationTime": int(job.created.timestamp() * 1000),
        }
        event = {
            "version": "0",
            "id": secrets.token_hex(16),
            "detail-type": "SageMaker Training Job State Change",
            "source": "aws.sagemaker",
            "account": ACCOUNT,
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": [job.arn],
            "detail": detail,
        }
        body = json.dumps(event)
        with self._lock:
            bodies, self._held = [body, *([self._held] if self._held else [])], body
        for one in bodies:
            try:
                self._sqs.send_message(QueueUrl=self.queue_url, MessageBody=one)
            except self._sqs.exceptions.ClientError:
                return  # A queue that is gone: the event is lost.


class _InputMissing(Exception):
    """A channel's object is not in S3."""


class _Log:
    """The lines of one attempt: to CloudWatch Logs, and through the job's metric definitions."""

    def __init__(self, logs: Any, stream: str, job: TrainingJob) -> None:
        self._logs, self._stream, self._job = logs, stream, job
        definitions = job.request["AlgorithmSpecification"].get("MetricDefinitions", [])
        self._metrics = [(one["Name"], re.compile(one["Regex"])) for one in definitions]
        self._lines: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        make: list[Callable[[], object]] = [
            lambda: logs.create_log_group(logGroupName=LOG_GROUP),
            lambda: logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream),
        ]
        for call in make:
            try:
                call()
            except logs.exceptions.ResourceAlreadyExistsException:
                continue

    def read(self, process: subprocess.Popen[bytes]) -> None:
        """Reads until the process has closed its output."""
        assert process.stdout is not None
        with process.stdout:
            self._read_lines(process.stdout)

    def _read_lines(self, output: IO[bytes]) -> None:
        for raw in output:
            line = raw.decode(errors="replace").rstrip("\n")
            for name, pattern in self._metrics:
                found = pattern.search(line)
                if found:
                    self._job.metrics[name] = float(found[1])
            if line:
                with self._lock:
                    self._lines.append({"timestamp": int(time.time() * 1000), "message": line})

    def send(self) -> None:
        """Sends what was read since."""
        with self._lock:
            lines, self._lines = self._lines, []
        if lines:
            self._logs.put_log_events(logGroupName=LOG_GROUP, logStreamName=self._stream, logEvents=lines)


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
