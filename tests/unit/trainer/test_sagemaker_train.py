"""The trainer as SageMaker runs it: a folder like /opt/ml in, a model, a failure or checkpoints out."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assay_shared.model_description import ModelDescription
from assay_shared.wire import DatasetManifest, Lease, TrainingOptions
from assay_trainer.job import REQUEUE_EXIT, ProgressEvent, StateEvent
from assay_trainer.job_checkpoints import find_checkpoint, read_epoch
from assay_trainer.sagemaker_contract import METRIC_DEFINITIONS, read_line, write_hyperparameters
from assay_trainer.sagemaker_train import MAX_FAILURE
from tests.unit.trainer.test_train_child import SIZE, draw_pictures

EPOCHS = 3
Edit = Callable[[Path], object]
Start = Callable[[Path], "subprocess.Popen[str]"]


def make_lease(dataset: DatasetManifest, epochs: int = EPOCHS) -> Lease:
    return Lease(
        run="run_1",
        brand=dataset.brand,
        token="token",
        seconds=600,
        expires_at=datetime.now(UTC),
        model_version="mv_1",
        options=TrainingOptions(image_size=SIZE, epochs=epochs, batch=4),
        dataset=dataset,
        live_version=None,
    )


def write_config(folder: Path, name: str, value: object) -> None:
    (folder / "input/config").mkdir(parents=True, exist_ok=True)
    (folder / "input/config" / f"{name}.json").write_text(json.dumps(value))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What SageMaker lays out for a tiny run."""
    root = tmp_path / "ml"
    dataset = draw_pictures(root / "input/data/images")
    (root / "input/data/input").mkdir()
    (root / "input/data/input/dataset.json").write_text(dataset.model_dump_json())
    write_config(root, "hyperparameters", write_hyperparameters(make_lease(dataset)))
    write_config(root, "inputdataconfig", {"images": {}, "input": {}})
    write_config(root, "resourceconfig", {"current_host": "algo-1", "hosts": ["algo-1", "algo-2"]})
    return root


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the entry point on a folder."""
    started: list[subprocess.Popen[str]] = []

    def begin(folder: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "assay_trainer.sagemaker_train"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"ASSAY_SAGEMAKER_FOLDER": str(folder), "CUDA_VISIBLE_DEVICES": ""},
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        with process:
            process.kill()


def test_stopped_by_a_signal_it_saves_and_goes_on_where_it_was(folder: Path, start: Start) -> None:
    process = start(folder)
    epochs: list[int] = []
    assert process.stdout is not None
    for line in process.stdout:
        event = read_line(line)
        if isinstance(event, ProgressEvent):
            epochs.append(event.progress.epoch)
            process.send_signal(signal.SIGTERM)
    assert process.wait() == REQUEUE_EXIT
    assert not (folder / "output/failure").exists()
    assert not (folder / "model/model.json").exists()
    checkpoint = find_checkpoint(folder / "checkpoints")
    assert checkpoint is not None
    assert read_epoch(checkpoint) == epochs[-1] < EPOCHS

    # A job that goes on has a new machine: nothing but the checkpoints came with it.
    shutil.rmtree(folder / "model")
    output = start(folder).communicate()[0]
    events = [read_line(line) for line in output.splitlines()]
    later = [event.progress.epoch for event in events if isinstance(event, ProgressEvent)]
    assert epochs + later == list(range(1, EPOCHS + 1))
    states = [event.state for event in events if isinstance(event, StateEvent)]
    assert states == ["preparing", "training", "evaluating"]
    description = ModelDescription.model_validate_json((folder / "model/model.json").read_bytes())
    assert (description.brand, description.version, description.run) == ("acme", "mv_1", "run_1")
    assert [path.name for path in (folder / "model/training").iterdir()] == [f"epoch-{EPOCHS:05d}.tar"]
    assert not any(name.startswith("training/") for name in description.files), "as at home"
    assert len(list((folder / "checkpoints").iterdir())) == 2
    metrics = {
        one["Name"]: float(found[-1])
        for one in METRIC_DEFINITIONS
        if (found := re.findall(one["Regex"], output))
    }
    assert metrics["epoch"] == EPOCHS
    assert metrics["map50"] == pytest.approx(description.metrics.map50, rel=1e-5)
    assert metrics["image_accuracy"] == pytest.approx(description.metrics.image_accuracy, rel=1e-5)
    assert {"box_loss", "cls_loss", "dfl_loss", "seconds_left"} <= set(metrics)


def test_of_several_instances_the_first_trains(folder: Path, start: Start) -> None:
    write_config(folder, "resourceconfig", {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]})
    process = start(folder)
    output = process.communicate()[0]
    assert process.returncode == 0
    assert "the first instance trains" in output
    assert not (folder / "model").exists()


def edit_hyperparameters(**changes: str | None) -> Edit:
    def edit(folder: Path) -> None:
        path = folder / "input/config/hyperparameters.json"
        given: dict[str, Any] = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({name: value for name, value in given.items() if value is not None}))

    return edit


def damage_base_weights(folder: Path) -> None:
    (folder / "input/data/input/weights").mkdir()
    (folder / "input/data/input/weights/mine.safetensors").write_bytes(b"no weights")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (edit_hyperparameters(epochs="many"), "Hyperparameter options.epochs"),
        (edit_hyperparameters(run=None), "Hyperparameter run"),
        (edit_hyperparameters(brand="other"), "of brand acme, the job of other"),
        (lambda folder: next((folder / "input/data/images").iterdir()).unlink(), "lacks 1 of 8 pictures"),
        (lambda folder: shutil.rmtree(folder / "input/data/images"), "no channel images"),
        (lambda folder: (folder / "input/data/input/dataset.json").write_text("{"), "dataset.json cannot be"),
        (lambda folder: (folder / "input/config/hyperparameters.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "input/config/resourceconfig.json").write_text("[]"), "no JSON object"),
        (damage_base_weights, "mine.safetensors"),
    ],
)
def test_a_job_that_cannot_succeed_says_why(folder: Path, start: Start, edit: Edit, words: str) -> None:
    edit(folder)
    process = start(folder)
    output = process.communicate()[0]
    assert process.returncode == 1, output
    failure = (folder / "output/failure").read_text()
    assert words in failure
    assert len(failure) <= MAX_FAILURE
    assert f"failed: {failure}" in output


def test_hyperparameters_that_tools_add_are_ignored(folder: Path, start: Start) -> None:
    edit_hyperparameters(sagemaker_region='"eu-west-1"', epochs="1")(folder)
    process = start(folder)
    output = process.communicate()[0]
    assert process.returncode == 0, output
