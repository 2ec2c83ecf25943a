"""One run's training jobs, as AWS knows them: found, created, described, stopped."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from assay_shared.aws import AwsRefused, naming
from assay_trainer.aws_clients import AwsClients
from assay_trainer.sagemaker_request import ATTEMPTS, name_job

ENDED = ("Completed", "Failed", "Stopped")
PASSING = ("CapacityError", "InsufficientCapacity", "InternalServerError")
"""What `FailureReason` begins with, or says, when another job may fare better."""
NO_QUOTA = re.compile(r"\bis 0 Instances")
"""In AWS's words for a quota that will not come by waiting."""


@dataclass(frozen=True)
class JobState:
    """What DescribeTrainingJob says. `artifact` is where the model is if the job has completed; `transitions`
    are the secondary states so far, with AWS's message; `metrics` the newest by name."""

    name: str
    status: Literal["InProgress", "Completed", "Failed", "Stopping", "Stopped", "Deleting"]
    secondary: str
    reason: str = ""
    artifact: str = ""
    transitions: list[tuple[str, str]] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    billable_seconds: int = 0

    @property
    def has_ended(self) -> bool:
        """Whether it costs nothing any more."""
        return self.status in ENDED

    @property
    def may_pass(self) -> bool:
        """Whether it failed for what is AWS's affair and passes."""
        return self.status == "Failed" and any(word in self.reason for word in PASSING)

    @property
    def failure(self) -> str:
        """Why it failed, for people: what the trainer wrote, or else what AWS says."""
        own = re.sub(r", exit code: -?\d+\s*$", "", self.reason.removeprefix("AlgorithmError:")).strip()
        if self.reason.startswith("AlgorithmError:") and own:
            return own
        return f"the training job {self.name} failed: {self.reason or 'AWS gives no reason'}"


class QuotaReached(AwsRefused):
    """The account's limit of instances does not allow a further job now."""

    type = "aws-quota-reached"
    title = "AWS allows no further instance"
    status = 503

    @property
    def may_pass(self) -> bool:
        """Whether a job that ends makes room; not where the limit is none at all."""
        return NO_QUOTA.search(self.detail) is None


class RunJobs:
    """The jobs of one run. Every call may raise the errors of `aws.naming`."""

    def __init__(self, clients: AwsClients, run: str) -> None:
        self._clients, self._run = clients, run

    def find_newest(self) -> tuple[int, JobState] | None:
        """The job of the run's last attempt, with its number from 1; None when there is none."""
        newest = None
        for attempt in range(1, ATTEMPTS + 1):
            state = self.describe(name_job(self._run, attempt))
            if state is None:
                break
            newest = attempt, state
        return newest

    def create(self, request: dict[str, Any]) -> None:
        """Starts a job. One of this name that is there already is this run's: nothing is started then.

        Raises QuotaReached.
        """
        name = request["TrainingJobName"]
        try:
            with naming(f"starting the training job {name}"):
                self._clients.get("sagemaker").create_training_job(**request)
        except AwsRefused as error:
            code = error.extra.get("code")
            if code == "ResourceLimitExceeded":
                raise QuotaReached(error.detail, code=code) from error
            if code != "ResourceInUse":
                raise

    def describe(self, name: str) -> JobState | None:
        """How a job is; None when AWS knows none of this name."""
        try:
            with naming(f"looking at the training job {name}"):
                told = self._clients.get("sagemaker").describe_training_job(TrainingJobName=name)
        except AwsRefused as error:
            if is_missing(error):
                return None
            raise
        metrics = {
            one["MetricName"]: float(one["Value"])
            for one in sorted(told.get("FinalMetricDataList", []), key=_read_time)
        }
        return JobState(
            name=name,
            status=told["TrainingJobStatus"],
            secondary=told["SecondaryStatus"],
            reason=told.get("FailureReason", ""),
            artifact=told.get("ModelArtifacts", {}).get("S3ModelArtifacts", ""),
            transitions=[
                (one["Status"], one.get("StatusMessage", ""))
                for one in told.get("SecondaryStatusTransitions", [])
            ],
            metrics=metrics,
            billable_seconds=told.get("BillableTimeInSeconds", 0),
        )

    def stop(self, name: str) -> None:
        """Has AWS stop a job; one that has ended, or that is not there, is no error."""
        try:
            with naming(f"stopping the training job {name}"):
                self._clients.get("sagemaker").stop_training_job(TrainingJobName=name)
        except AwsRefused as error:
            if not is_missing(error) and "in status" not in error.detail:
                raise


def is_missing(error: AwsRefused) -> bool:
    """Whether AWS refuses because there is no such job."""
    return error.extra.get("code") == "ResourceNotFound" or "not found" in error.detail.lower()


def _read_time(metric: dict[str, Any]) -> float:
    at = metric.get("Timestamp")
    return at.timestamp() if isinstance(at, datetime) else 0.0
