"""A real, tiny training in its own process: stopped, resumed, evaluated, packaged."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from assay_shared.detector.detector import Detector
from assay_shared.model_description import ModelDescription
from assay_shared.wire import DatasetManifest, TrainingOptions
from assay_trainer.job import (
    CHILD_EVENT,
    JOB_FILE,
    REQUEUE_EXIT,
    CheckpointEvent,
    ChildEvent,
    DoneEvent,
    FailedEvent,
    Job,
    ProgressEvent,
    StateEvent,
)
from tests.support.live_model import describe_model, random_weights
from tests.unit.trainer.support import box, item, make_manifest

SIZE, EPOCHS = 96, 3
OPTIONS = TrainingOptions(image_size=SIZE, epochs=EPOCHS, batch=4)


def draw_pictures(folder: Path, count: int = 8) -> DatasetManifest:
    """Pictures of a card with a round logo, somewhere on ground of its own; two are held out."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    items = []
    for number in range(count):
        ground = Image.fromarray(rng.integers(0, 255, (6, 8, 3), np.uint8))
        picture = ground.resize((160, 120), Image.Resampling.NEAREST)
        left, top = int(rng.integers(5, 60)), int(rng.integers(5, 30))
        pen = ImageDraw.Draw(picture)
        pen.rectangle((left, top, left + 80, top + 70), fill=(230, 200, 60))
        pen.ellipse((left + 10, top + 10, left + 40, top + 40), fill=(30, 40, 200))
        path = folder / "picture.jpg"
        picture.save(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        path.rename(folder / f"{sha256}.jpg")
        boxes = (box("carton", left, top, 80, 70), box("logo", left + 10, top + 10, 30, 30))
        items.append(item(sha256, "val" if number < 2 else "train", *boxes, size=(160, 120)))
    return make_manifest(*items)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(
        run="run_1",
        brand="acme",
        version="mv_1",
        options=OPTIONS,
        dataset=draw_pictures(tmp_path / "images"),
        images=tmp_path / "images",
        folder=tmp_path / "model",
        device="cpu",
    )


Start = Callable[[Job, Path], "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    children: list[subprocess.Popen[str]] = []

    def begin(job: Job, folder: Path) -> subprocess.Popen[str]:
        folder.mkdir()
        (folder / JOB_FILE).write_text(job.model_dump_json())
        command = [sys.executable, "-m", "assay_trainer.train_child", str(folder)]
        # No CUDA device and no idle spinning, on any machine.
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_WAIT_POLICY": "PASSIVE"}
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        children.append(child)
        return child

    yield begin
    for child in children:
        with child:
            child.kill()


def events(child: subprocess.Popen[str]) -> Iterator[ChildEvent]:
    assert child.stdout is not None
    for line in child.stdout:
        yield CHILD_EVENT.validate_json(line)


def epochs_of(told: list[ChildEvent]) -> list[int]:
    return [event.progress.epoch for event in told if isinstance(event, ProgressEvent)]


def test_stopped_resumed_and_packaged(job: Job, start: Start, tmp_path: Path) -> None:
    child = start(job, tmp_path / "first")
    told: list[ChildEvent] = []
    for event in events(child):
        told.append(event)
        if isinstance(event, CheckpointEvent):
            child.send_signal(signal.SIGTERM)
    assert child.wait() == REQUEUE_EXIT
    checkpoints = [event for event in told if isinstance(event, CheckpointEvent)]
    assert epochs_of(told) == [checkpoint.epoch for checkpoint in checkpoints]
    assert 1 <= len(checkpoints) < EPOCHS, "it stopped before the end, after an epoch"
    assert checkpoints[-1].path.is_file()
    assert not job.folder.exists()

    live = tmp_path / "live"
    live.mkdir()
    weights = random_weights()
    (live / "model.safetensors").write_bytes(weights)
    (live / "model.json").write_text(describe_model("acme", "mv_0", weights, SIZE).model_dump_json())
    resumed = job.model_copy(update={"checkpoint": checkpoints[-1].path, "live_folder": live})
    child = start(resumed, tmp_path / "second")
    told_later = list(events(child))
    assert child.wait() == 0
    assert epochs_of(told) + epochs_of(told_later) == list(range(1, EPOCHS + 1))
    states = [event.state for event in told_later if isinstance(event, StateEvent)]
    assert states == ["preparing", "training", "evaluating"]
    assert told_later[-1] == DoneEvent(folder=job.folder)
    check_package(job)


def check_package(job: Job) -> None:
    description = ModelDescription.model_validate_json((job.folder / "model.json").read_bytes())
    files = {
        path.relative_to(job.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in job.folder.rglob("*")
        if path.is_file() and path.name != "model.json"
    }
    assert description.files == files
    assert {"model.safetensors", "report/report.json", "report/curves.png", "report/samples.png"} <= set(
        files
    )
    assert [label.name for label in description.labels] == ["carton", "logo", "seal", "fake-logo"]
    assert description.required_marks == {"carton": ["logo"]}
    assert description.metrics.images == 2
    assert description.live_comparison is not None
    assert description.live_comparison.version == "mv_0"
    assert description.live_comparison.metrics.images == 2
    assert description.live_comparison.better is not None
    assert description.live_comparison.map50_change_low is not None
    assert (description.metrics.folds, description.metrics.groups) == (2, 2)
    assert description.base_weights["name"] == "yolov5nu.safetensors"

    report = json.loads((job.folder / "report/report.json").read_text())
    assert [entry["epoch"] for entry in report["history"]] == list(range(1, EPOCHS + 1))
    assert report["disagreements"] == [one.model_dump() for one in description.disagreements]
    assert sum(report["read_right"]) == round(2 * description.metrics.image_accuracy)
    assert all(entry["losses"].keys() == {"box", "cls", "dfl"} for entry in report["history"])
    for name in ("curves", "samples", "confusion"):
        with Image.open(job.folder / f"report/{name}.png") as picture:
            assert min(picture.size) > 100

    detector = Detector(description.architecture, len(description.labels), job.folder / "model.safetensors")
    (found,) = detector.detect(np.zeros((1, SIZE, SIZE, 3), np.uint8), 0)
    assert len(found.boxes) > 0


def test_ends_when_its_worker_has_died(job: Job, start: Start, tmp_path: Path) -> None:
    child = start(job, tmp_path / "orphan")
    assert child.stdin is not None
    told = events(child)
    assert isinstance(next(told), StateEvent)
    child.stdin.close()
    assert not any(isinstance(event, DoneEvent) for event in told)
    assert child.wait() == REQUEUE_EXIT


def test_tells_why_it_cannot_train(job: Job, start: Start, tmp_path: Path) -> None:
    damaged = tmp_path / "mine.safetensors"
    damaged.write_bytes(b"no weights")
    child = start(job.model_copy(update={"base_weights": damaged}), tmp_path / "failing")
    *_, last = events(child)
    assert isinstance(last, FailedEvent)
    assert "mine.safetensors" in last.reason
    assert child.wait() == 1
