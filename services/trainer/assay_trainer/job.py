"""What the worker and its child process tell each other: `job.json` down, JSON lines up.

The worker (`worker.py`, `run.py`) talks to registry and store and never imports torch; the child
(`train_child.py`) trains and talks to nobody. It ends by itself when its standard input closes: then the
worker has died, and the run will be another's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from assay_shared.wire import DatasetManifest, Progress, TrainingOptions

JOB_FILE = "job.json"
REQUEUE_EXIT = 75
"""The child's exit status when it was stopped (SIGTERM) and the run is to be resumed: EX_TEMPFAIL."""


class Job(BaseModel):
    """What a child has to do. All paths are local files; `folder` is where the model version is built."""

    model_config = ConfigDict(frozen=True)

    run: str
    brand: str
    version: str
    options: TrainingOptions
    dataset: DatasetManifest
    images: Path = Field(description="folder with {sha256}.{extension} of every item")
    folder: Path
    base_weights: Path | None = Field(
        default=None,
        description="null: the bundled ones; .safetensors of base weights, or an ultralytics .pt",
    )
    checkpoint: Path | None = Field(default=None, description="to resume from")
    live_folder: Path | None = Field(
        default=None, description="model.json and model.safetensors of the live version, to compare with"
    )
    device: str = "auto"


class ProgressEvent(BaseModel):
    """One epoch is over."""

    event: Literal["progress"] = "progress"
    progress: Progress


class StateEvent(BaseModel):
    """The run enters a state."""

    event: Literal["state"] = "state"
    state: Literal["preparing", "training", "evaluating"]


class CheckpointEvent(BaseModel):
    """A checkpoint was written whole; it stays until the next two are."""

    event: Literal["checkpoint"] = "checkpoint"
    epoch: int
    path: Path


class LogEvent(BaseModel):
    """A line for the run's log."""

    event: Literal["log"] = "log"
    line: str


class DoneEvent(BaseModel):
    """The model version's folder is whole."""

    event: Literal["done"] = "done"
    folder: Path


class FailedEvent(BaseModel):
    """The run cannot succeed; the reason is for people."""

    event: Literal["failed"] = "failed"
    reason: str


ChildEvent = Annotated[
    ProgressEvent | StateEvent | CheckpointEvent | LogEvent | DoneEvent | FailedEvent,
    Field(discriminator="event"),
]
CHILD_EVENT: TypeAdapter[ChildEvent] = TypeAdapter(ChildEvent)
