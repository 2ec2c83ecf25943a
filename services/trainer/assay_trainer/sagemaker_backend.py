"""Training as a job in SageMaker, watched by the worker that owns the run's lease.

The job is named after the run: whoever owns the run next finds it and goes on watching. Nothing of it is in
this process but how far its log was told, and that is kept beside its data too.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from assay_shared.aws import AwsDenied, AwsUnavailable
from assay_shared.errors import AssayError
from assay_shared.logs import get_logger
from assay_shared.storage import ObjectStore
from assay_shared.wire import Lease, Progress
from assay_trainer.artifact import unpack_artifact
from assay_trainer.aws_clients import AwsClients
from assay_trainer.backend import RunEnd
from assay_trainer.heartbeat import Pulse
from assay_trainer.job import LogEvent, ProgressEvent, StateEvent
from assay_trainer.sagemaker_contract import RunPhase, read_line
from assay_trainer.sagemaker_data import JobData
from assay_trainer.sagemaker_events import EventQueue
from assay_trainer.sagemaker_jobs import JobState, QuotaReached, RunJobs
from assay_trainer.sagemaker_log import JobLog
from assay_trainer.sagemaker_request import ATTEMPTS, Places, make_request, name_job
from assay_trainer.sagemaker_settings import TrainingJobSettings

AGAIN = 4
"""Polls between a job that found no instance and the next."""
VANISHED = 10
"""Polls in which AWS does not know a job that was started, until it counts as gone."""
CANCEL_SECONDS = 180.0
"""AWS gives a job 120 seconds to stop."""
FLUSH_SECONDS = 5.0
"""For how long a trainer that stops waits for the registry to take what was told."""
DRAIN_SECONDS = 20.0
"""CloudWatch is some seconds late: for how long the rest of an ended job's log is asked for."""
PHASES: dict[str, RunPhase] = {
    "Starting": "preparing",
    "Downloading": "preparing",
    "Training": "training",
    "Uploading": "evaluating",
}
"""What a secondary state means where the log, which says it better, cannot be read."""

log = get_logger(__name__)


class SageMakerBackend:
    """Trains in AWS. `reads_store`: jobs read pictures from Assay's own store; `events` wakes watchers, None:
    jobs are polled alone."""

    def __init__(
        self,
        store: ObjectStore,
        settings: TrainingJobSettings,
        pretrained_weights: str,
        *,
        reads_store: bool,
        events: EventQueue | None = None,
    ) -> None:
        self.store, self.settings, self.pretrained_weights = store, settings, pretrained_weights
        self.reads_store, self.events = reads_store, events
        self.clients = AwsClients(settings.region)

    def start(self, lease: Lease, work: Path, pulse: Pulse) -> JobRun:
        """The run's job, which the first poll starts or finds."""
        return JobRun(self, lease, work, pulse)


class JobRun:
    """One run whose job is in AWS."""

    def __init__(self, backend: SageMakerBackend, lease: Lease, work: Path, pulse: Pulse) -> None:
        self.interval, self.news = backend.settings.poll_seconds, threading.Event()
        self._backend, self._lease, self._work, self._pulse = backend, lease, work, pulse
        self._places = Places.of(backend.settings, lease.brand, lease.run)
        self._jobs = RunJobs(backend.clients, lease.run)
        self._attempt = 0
        self._state: JobState | None = None
        self._log = JobLog(backend.clients, self._name, {})
        self._told_transitions = 0
        self._unsaved: dict[str, Any] | None = None
        self._absent = 0
        self._sent = False
        self._not_before = 0.0
        self._no_quota_since: float | None = None
        self._trouble = ""
        self._log_trouble = ""

    @property
    def _name(self) -> str:
        return name_job(self._lease.run, max(1, self._attempt))

    def poll(self) -> RunEnd | None:
        """Finds or starts the job, tells what is new of it, brings its model home when it has completed.

        AWS that does not answer, or does not allow, ends nothing: the run waits, and says so in its log.
        """
        try:
            end = self._advance()
        except (AwsDenied, AwsUnavailable) as error:
            if isinstance(error, AwsDenied):
                self._backend.clients.renew()
            self._say_trouble(f"waiting for AWS: {error.detail}")
            return None
        self._say_trouble("")
        return end

    def cancel(self) -> None:
        """Stops the job and waits until AWS says that it has ended."""
        until = time.monotonic() + CANCEL_SECONDS
        while time.monotonic() < until and not self._pulse.lost.is_set():
            try:
                if self._stop():
                    return
            except AssayError as error:
                self._backend.clients.renew()
                self._say_trouble(f"the training job {self._name} cannot be stopped yet: {error.detail}")
            time.sleep(min(1.0, self.interval))
        log.warning("training job not stopped yet, tried again later", job=self._name)

    def pause(self) -> RunEnd:
        """The job goes on; the run's next owner finds it, and tells of it from here."""
        self._forget()
        try:
            if self._pulse.flush(FLUSH_SECONDS):
                self._save_cursor()
        except AssayError as error:
            log.warning("some of the log will be told twice", run=self._lease.run, why=error.detail)
        if self._attempt == 0:
            return RunEnd("requeue", "the trainer was stopped")
        return RunEnd(
            "requeue", f"the trainer was stopped; the training job {self._name} goes on in SageMaker"
        )

    def abandon(self) -> None:
        """The job goes on, for the run's new owner."""
        self._forget()

    def clean(self) -> None:
        """Deletes the run's part of the bucket, after a job that should not run any more was stopped."""
        self._forget()
        try:
            if self._state is not None and not self._state.has_ended:
                self._stop()
            self._data().clean()
        except AssayError as error:
            log.warning(
                "not cleaned, the bucket's lifecycle rule does", run=self._lease.run, why=error.detail
            )

    # --- one step ---

    def _advance(self) -> RunEnd | None:
        if self._attempt == 0 and not self._adopt():
            return self._begin(1)
        if self._state is not None and self._state.may_pass:
            return self._begin(self._attempt + 1)
        state = self._jobs.describe(self._name)
        if state is None:
            self._absent += 1
            if self._absent < VANISHED:
                return None
            return RunEnd("failed", f"the training job {self._name} is not there any more; start a new run")
        self._state, self._absent = state, 0
        self._tell(state)
        return self._conclude(state) if state.has_ended else None

    def _adopt(self) -> bool:
        """Goes on with the newest job of the run, if there is one."""
        found = self._jobs.find_newest()
        if found is None:
            return False
        self._follow(found[0])
        self._pulse.log(f"going on with the training job {self._name}")
        return True

    def _begin(self, attempt: int) -> RunEnd | None:
        """Sends the data, and starts the job of an attempt when it is due."""
        if time.monotonic() < self._not_before:
            return None
        settings = self._backend.settings
        if not self._sent:
            copied = self._data().send(
                self._lease,
                self._backend.pretrained_weights,
                self._work,
                reads_store=self._backend.reads_store,
                is_over=self._pulse.is_over,
            )
            if copied is None:
                return None
            self._sent = True
            self._pulse.log(
                f"{copied} of {len(self._lease.dataset.items)} pictures were copied to the bucket"
            )
        if self._pulse.is_over():
            return None
        name = name_job(self._lease.run, attempt)
        try:
            self._jobs.create(make_request(self._lease, settings, self._places, name))
        except QuotaReached as error:
            return self._wait_for_quota(error)
        self._state = None
        self._follow(attempt)
        count, kind = settings.training_instance_count, settings.training_instance_type
        self._pulse.log(f"training job {name} started: {count} x {kind}{', spot' if settings.spot else ''}")
        if count > 1:
            self._pulse.log(f"training is not distributed: one of the {count} instances trains, all cost")
        return None

    def _follow(self, attempt: int) -> None:
        """Watches the job of an attempt from where it was watched last."""
        self._forget()
        name = name_job(self._lease.run, attempt)
        cursor = self._data().read_cursor()
        same = cursor.get("job") == name
        self._log = JobLog(self._backend.clients, name, cursor.get("streams", {}) if same else {})
        self._told_transitions = int(cursor.get("transitions", 0)) if same else 0
        self._unsaved = None
        self._attempt = attempt
        if self._backend.events is not None:
            self._backend.events.watch(name, self.news)

    def _wait_for_quota(self, error: QuotaReached) -> RunEnd | None:
        now = time.monotonic()
        self._no_quota_since = self._no_quota_since or now
        limit = self._backend.settings.spot_wait_seconds
        if not error.may_pass or now - self._no_quota_since > limit:
            return RunEnd("failed", f"{error.detail}. Ask AWS for a higher quota of this instance type")
        self._not_before = now + AGAIN * self.interval
        self._say_trouble(f"waiting for other jobs to end: {error.detail}", passing=False)
        return None

    # --- what is told ---

    def _tell(self, state: JobState) -> int:
        """Carries what is new of the job to the run's record; gives the number of lines."""
        for secondary, message in state.transitions[self._told_transitions :]:
            more = f": {message}" if message and message != secondary else ""
            self._pulse.log(f"SageMaker: {secondary}{more}")
        before = self._told_transitions
        self._told_transitions = max(before, len(state.transitions))
        lines = 0
        try:
            # What the registry has not taken yet, the next owner must tell: this one may have lost the run.
            if self._pulse.is_sent():
                self._save_cursor()
            for line in self._log.read():
                self._tell_line(line)
                lines += 1
            if lines or self._told_transitions != before:
                streams, transitions = dict(self._log.cursor), self._told_transitions
                self._unsaved = {"job": state.name, "streams": streams, "transitions": transitions}
            self._log_trouble = ""
        except AssayError as error:
            if error.detail != self._log_trouble:
                self._pulse.log(f"the job's log cannot be read, progress comes from metrics: {error.detail}")
            self._log_trouble = error.detail
            self._tell_metrics(state)
        return lines

    def _save_cursor(self) -> None:
        if self._unsaved is not None and not self._pulse.lost.is_set():
            self._data().write_cursor(self._unsaved)
            self._unsaved = None

    def _tell_line(self, line: str) -> None:
        match read_line(line):
            case ProgressEvent(progress=progress):
                self._pulse.progress(progress)
            case StateEvent(state=state):
                self._pulse.state(state)
            case LogEvent(line=text):
                self._pulse.log(text)

    def _tell_metrics(self, state: JobState) -> None:
        if state.secondary in PHASES:
            self._pulse.state(PHASES[state.secondary])
        if "epoch" in state.metrics:
            losses = {
                name.removesuffix("_loss"): value
                for name, value in state.metrics.items()
                if name.endswith("_loss")
            }
            self._pulse.progress(
                Progress(
                    epoch=int(state.metrics["epoch"]),
                    epochs=int(state.metrics.get("epochs", self._lease.options.epochs or 0)),
                    losses=losses,
                    map50=state.metrics.get("map50"),
                    seconds_left=state.metrics.get("seconds_left"),
                )
            )

    def _say_trouble(self, trouble: str, *, passing: bool = True) -> None:
        """A line for the run's log when there is a new trouble, and one when it is over."""
        if trouble and trouble != self._trouble:
            self._pulse.log(trouble)
            log.warning("training job waits", run=self._lease.run, why=trouble)
        if not trouble and self._trouble and passing:
            self._pulse.log("AWS answers again")
        self._trouble = trouble

    # --- its end ---

    def _conclude(self, state: JobState) -> RunEnd | None:
        until = time.monotonic() + DRAIN_SECONDS
        quiet = 0
        while quiet < 2 and time.monotonic() < until and not self._log_trouble:
            time.sleep(min(2.0, self.interval))
            quiet = 0 if self._tell(state) else quiet + 1
        self._pulse.log(
            f"training job {state.name}: {state.secondary}, {state.billable_seconds} s are billed"
        )
        match state.status:
            case "Completed":
                archive = self._data().fetch_artifact(state.artifact, self._work / "model.tar.gz")
                lease = self._lease
                folder = unpack_artifact(
                    archive, self._work / "model", lease.brand, lease.model_version, lease.run
                )
                return RunEnd("done", folder=folder)
            case "Failed" if state.may_pass and self._attempt < ATTEMPTS:
                self._not_before = time.monotonic() + AGAIN * self.interval
                self._pulse.log(f"attempt {self._attempt} of {ATTEMPTS}, another follows: {state.reason}")
                return None
            case "Failed" if state.may_pass:
                return RunEnd(
                    "failed",
                    f"SageMaker had no instance in {ATTEMPTS} attempts: {state.reason} Choose another "
                    "ASSAY_SAGEMAKER_TRAINING_INSTANCE_TYPE, or start a new run later",
                )
            case "Failed":
                return RunEnd("failed", state.failure)
        return RunEnd("failed", self._explain_stop(state))

    def _explain_stop(self, state: JobState) -> str:
        settings = self._backend.settings
        if state.secondary == "MaxRuntimeExceeded":
            return (
                f"the training job {state.name} trained for longer than {settings.training_seconds} s: raise "
                "ASSAY_SAGEMAKER_TRAINING_SECONDS, or start a run with fewer epochs"
            )
        if state.secondary == "MaxWaitTimeExceeded":
            return (
                f"the training job {state.name} found no spot instance for long enough within "
                f"{settings.spot_wait_seconds} s: raise ASSAY_SAGEMAKER_SPOT_WAIT_SECONDS, or set "
                "ASSAY_SAGEMAKER_SPOT=false"
            )
        return f"the training job {state.name} was stopped in AWS, not by Assay; start a new run"

    def _stop(self) -> bool:
        """Asks AWS to stop the run's newest job; whether it has ended."""
        found = self._jobs.find_newest()
        if found is None:
            return True
        self._attempt, self._state = found
        if not self._state.has_ended and self._state.status != "Stopping":
            self._jobs.stop(self._state.name)
        return self._state.has_ended

    def _data(self) -> JobData:
        backend = self._backend
        return JobData(backend.clients.get("s3"), backend.store, self._places, backend.settings.kms_key)

    def _forget(self) -> None:
        if self._backend.events is not None and self._attempt:
            self._backend.events.forget(self._name)
