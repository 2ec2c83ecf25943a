"""SageMaker's training contract: `docker run IMAGE train` is this module, on the folder /opt/ml.

Reads what SageMaker laid out there, runs the very same child as at home, and leaves the model version's
folder in `model/`, checkpoints in `checkpoints/` (from which a job that was interrupted goes on) and, when
it cannot succeed, the reason in `output/failure`. It talks to nobody: no network is needed.

Our training is not distributed: of several instances the first trains, the others end at once with status 0.
Exit statuses: 0 done; 1 failed; REQUEUE_EXIT when it was told to stop before it was done.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from assay_shared.errors import AssayError
from assay_shared.model_description import DESCRIPTION_FILE, ModelDescription
from assay_shared.wire import DatasetManifest
from assay_trainer.child import ChildEnd, ChildProcess
from assay_trainer.job import (
    JOB_FILE,
    REQUEUE_EXIT,
    CheckpointEvent,
    ChildEvent,
    Job,
    LogEvent,
    ProgressEvent,
    StateEvent,
)
from assay_trainer.job_checkpoints import find_checkpoint, keep_checkpoint, read_epoch
from assay_trainer.sagemaker_contract import (
    DATASET_FILE,
    IMAGES_CHANNEL,
    INPUT_CHANNEL,
    LIVE_FOLDER,
    WEIGHTS_FOLDER,
    JobInputInvalid,
    format_event,
    format_metrics,
    read_hyperparameters,
)

MAX_FAILURE = 1024
"""Characters of `output/failure` that SageMaker reads."""
STOP_SECONDS = 90.0
"""From SIGTERM until the child is killed; SageMaker kills us all after 120 seconds. What it saved last is in
`checkpoints/` already."""


class ContractSettings(BaseSettings):
    """From the environment."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", extra="ignore", env_ignore_empty=True)

    sagemaker_folder: Path = Path("/opt/ml")
    device: str = "auto"


@dataclass(frozen=True)
class Folder:
    """SageMaker's folder, part by part."""

    root: Path

    def read_config(self, name: str) -> dict[str, Any]:
        """`input/config/{name}.json`; empty if it is not there. Raises JobInputInvalid."""
        path = self.root / "input/config" / f"{name}.json"
        try:
            found = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise JobInputInvalid(f"{path} cannot be read: {error}") from error
        if not isinstance(found, dict):
            raise JobInputInvalid(f"{path} is no JSON object")
        return found

    def find_channel(self, name: str) -> Path:
        """The folder of a channel. Raises JobInputInvalid without it."""
        path = self.root / "input/data" / name
        if name not in self.read_config("inputdataconfig") or not path.is_dir():
            raise JobInputInvalid(f"The job has no channel {name}: start it by Assay's trainer service")
        return path

    def make(self, name: str) -> Path:
        """A folder that we write. Raises JobInputInvalid where we may not."""
        path = self.root / name
        try:
            path.mkdir(parents=True, exist_ok=True)
            if not os.access(path, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise JobInputInvalid(
                f"{path} cannot be written by user {os.getuid()}: {error.strerror}. Run the image as "
                "root, or as the folder's owner"
            ) from error
        return path


def main() -> int:
    """Trains what the folder says; the exit status is that of the module's docstring."""
    stop = threading.Event()
    # At once, for the first process of a container ignores a signal that it has no handler for.
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    settings = ContractSettings()
    folder = Folder(settings.sagemaker_folder)
    try:
        if not _is_first(folder.read_config("resourceconfig")):
            print("training is not distributed: the first instance trains, this one has nothing to do")
            return 0
        with tempfile.TemporaryDirectory(prefix="assay-") as work:
            end = _train(folder, Path(work), settings.device, stop)
    except AssayError as error:
        end = ChildEnd("failed", reason=error.detail)
    except Exception as error:  # SageMaker shows people nothing but the failure file.
        end = ChildEnd("failed", reason=f"{type(error).__name__}: {error}")
    return _finish(folder, end)


def _is_first(resources: dict[str, Any]) -> bool:
    hosts = sorted(resources.get("hosts") or [""])
    return bool(resources.get("current_host", hosts[0]) == hosts[0])


def _train(folder: Folder, work: Path, device: str, stop: threading.Event) -> ChildEnd:
    job = read_job(folder, device)
    (work / JOB_FILE).write_text(job.model_dump_json())
    child = ChildProcess(work, lambda event: _tell(event, folder), _say)
    while True:
        end = child.wait(0.2)
        if end is None and stop.is_set():
            _say("told to stop: saving")
            end = child.stop(STOP_SECONDS)
            if end.outcome != "done":
                return ChildEnd("stopped")
        if end is not None:
            return end


def read_job(folder: Folder, device: str) -> Job:
    """The job that SageMaker laid out. Raises JobInputInvalid, which names what is missing."""
    given = read_hyperparameters(folder.read_config("hyperparameters"))
    images, data = folder.find_channel(IMAGES_CHANNEL), folder.find_channel(INPUT_CHANNEL)
    try:
        dataset = DatasetManifest.model_validate_json((data / DATASET_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise JobInputInvalid(f"Channel {INPUT_CHANNEL}: {DATASET_FILE} cannot be read: {error}") from error
    if dataset.brand != given.brand:
        raise JobInputInvalid(f"The dataset version is of brand {dataset.brand}, the job of {given.brand}")
    names = [f"{item.sha256}.{item.extension}" for item in dataset.items]
    missing = [name for name in names if not (images / name).is_file()]
    if missing:
        raise JobInputInvalid(
            f"Channel {IMAGES_CHANNEL} lacks {len(missing)} of {len(names)} pictures of dataset version "
            f"{dataset.id}, such as {missing[0]}; start a new training run"
        )
    live = data / LIVE_FOLDER
    weights = sorted((data / WEIGHTS_FOLDER).glob("*"))
    return Job(
        run=given.run,
        brand=given.brand,
        version=given.version,
        options=given.options,
        dataset=dataset,
        images=images,
        folder=folder.make("model"),
        base_weights=weights[0] if weights else None,
        checkpoint=find_checkpoint(folder.make("checkpoints")),
        live_folder=live if (live / DESCRIPTION_FILE).is_file() else None,
        device=device,
    )


def _tell(event: ChildEvent, folder: Folder) -> None:
    match event:
        case ProgressEvent(progress=progress):
            losses = {f"{name}_loss": loss for name, loss in progress.losses.items()}
            figures = {"epoch": progress.epoch, "epochs": progress.epochs, "map50": progress.map50, **losses}
            _say(format_metrics(figures | {"seconds_left": progress.seconds_left}))
            _say(format_event(event))
        case StateEvent() | LogEvent():
            _say(format_event(event))
        case CheckpointEvent(epoch=epoch, path=path):
            keep_checkpoint(path, epoch, folder.make("checkpoints"))


def _finish(folder: Folder, end: ChildEnd) -> int:
    if end.outcome == "done":
        _add_checkpoint(folder)
        path = folder.root / "model" / DESCRIPTION_FILE
        metrics = ModelDescription.model_validate_json(path.read_bytes()).metrics
        _say(format_metrics({"map50": metrics.map50, "image_accuracy": metrics.image_accuracy}))
        return 0
    if end.outcome == "stopped":
        return REQUEUE_EXIT
    reason = end.reason
    if end.outcome == "killed":
        reason += "; most often for memory: choose a smaller batch or a larger instance type"
    print(f"failed: {reason}", file=sys.stderr)
    try:
        (folder.make("output") / "failure").write_text(reason[:MAX_FAILURE])
    except AssayError as error:
        print(error.detail, file=sys.stderr)
    return 1


def _add_checkpoint(folder: Folder) -> None:
    """The last checkpoint goes with the model version, to fine-tune from, as at home."""
    last = find_checkpoint(folder.make("checkpoints"))
    if last is not None:
        shutil.copyfile(last, folder.make("model/training") / f"epoch-{read_epoch(last):05d}.tar")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
