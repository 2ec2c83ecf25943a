"""What the job in SageMaker and the trainer service that started it agree on.

A job has two channels: `images` (a ManifestFile: exactly the pictures of its dataset version) and `input`
(`dataset.json`, the live version to compare with, other base weights than the bundled ones). What is small
comes as hyperparameters. Events go back as lines of the job's log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from assay_shared.errors import AssayError
from assay_shared.wire import Lease, TrainingOptions
from assay_trainer.job import LogEvent, ProgressEvent, StateEvent

IMAGES_CHANNEL = "images"
INPUT_CHANNEL = "input"
DATASET_FILE = "dataset.json"
LIVE_FOLDER = "live"
WEIGHTS_FOLDER = "weights"

EVENT_MARK = "assay-event "
"""Begins a line of the job's log that is an event as JSON; all other lines are for people."""

METRICS = ("epoch", "epochs", "map50", "box_loss", "cls_loss", "dfl_loss", "image_accuracy", "seconds_left")
METRIC_DEFINITIONS = [{"Name": name, "Regex": rf"\b{name}=([0-9.eE+-]+);"} for name in METRICS]
"""What SageMaker reads from the log for its own pages and CloudWatch; `format_metrics` writes it."""


class JobInputInvalid(AssayError):
    """What SageMaker laid out under /opt/ml is not a job of Assay's, or lacks a part."""

    type = "training-job-input-invalid"
    title = "The training job's input cannot be used"
    status = 422


class Hyperparameters(BaseModel):
    """What a job is told beside its data; all strings on the way."""

    model_config = ConfigDict(frozen=True)

    run: str
    brand: str
    version: str
    options: TrainingOptions


def write_hyperparameters(lease: Lease) -> dict[str, str]:
    """The hyperparameters of a leased run's job; an option that is null is left out."""
    named = {"run": lease.run, "brand": lease.brand, "version": lease.model_version}
    options = lease.options.model_dump(exclude_none=True)
    return named | {name: str(value) for name, value in options.items()}


def read_hyperparameters(given: Mapping[str, str]) -> Hyperparameters:
    """The reverse. What is not Assay's is ignored: SageMaker's tools add `sagemaker_…` of their own.

    Raises JobInputInvalid.
    """
    options = {name: given[name] for name in TrainingOptions.model_fields if name in given}
    try:
        return Hyperparameters.model_validate(
            {name: given.get(name) for name in ("run", "brand", "version")} | {"options": options}
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise JobInputInvalid(f"Hyperparameter {place}: {first['msg']}") from error


def format_metrics(metrics: Mapping[str, float | None]) -> str:
    """`map50=0.91; box_loss=1.2;`: a line that METRIC_DEFINITIONS read; what is None is left out."""
    return " ".join(f"{name}={value:g};" for name, value in metrics.items() if value is not None)


RunPhase = Literal["preparing", "training", "evaluating"]
JobEvent = Annotated[ProgressEvent | StateEvent | LogEvent, Field(discriminator="event")]
_EVENT: TypeAdapter[JobEvent] = TypeAdapter(JobEvent)


def format_event(event: JobEvent) -> str:
    """The event as a line of the job's log."""
    return EVENT_MARK + event.model_dump_json()


def read_line(line: str) -> JobEvent:
    """What a line of the job's log says; one that is no event is for the run's log."""
    if line.startswith(EVENT_MARK):
        try:
            return _EVENT.validate_json(line.removeprefix(EVENT_MARK))
        except ValidationError:
            pass
    return LogEvent(line=line)
