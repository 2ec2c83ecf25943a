"""How the trainer's choices compare: `python -m bench.training FOLDER`.

Trains detectors of several brands by each choice, and asks them about pictures that no training saw. The
peer is plain `yolo train`: ultralytics' trainer from the same base weights with its own defaults, until it is
as good as the base. Takes minutes to hours: every result is kept in FOLDER under what it depends on and taken
from there the next time, so it can be stopped and run in slices (`--only NAME`). `--data OUT` takes the
brands of a folder (`training_brands.read_brands`, those named by `--names`), else some are invented. The base
has the trainer's own options but for `--epochs` and `--size`, which, with `--train` and `--longest`, make a
comparison affordable. Prints tables in Markdown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay_shared.detector import offline as offline  # before ultralytics
from assay_shared.detector.architecture import fold_batch_norms
from assay_shared.detector.detector import Detector
from assay_shared.detector.weights import save_weights
from assay_shared.wire import LabelRole, Progress, TrainingOptions
from assay_trainer.base_weights import find_bundled
from assay_trainer.dataset import write_dataset
from assay_trainer.evaluation import evaluate_detector
from assay_trainer.recipe import Recipe
from assay_trainer.training import Callbacks, train_detector
from bench.training_brands import BenchBrand, invent_brands, read_brands
from bench.training_choices import BASE, CHOICES, PEER, describe_settings
from bench.training_peer import train_plainly
from bench.training_results import Figures, Point, Result, find_goal, tabulate


@dataclass(frozen=True)
class Task:
    """One training to measure: of a brand by a choice; `path` is where its result is kept."""

    name: str
    brand: BenchBrand
    options: TrainingOptions
    recipe: Recipe
    settings: dict[str, Any]
    path: Path


def main() -> int:
    """Measures what is not measured yet and prints the tables; 0."""
    arguments = _parse()
    brands = _find_brands(arguments)
    for name in [arguments.only] if arguments.only else list(CHOICES):
        for brand in brands:
            _measure_once(_settle(name, brand, arguments), arguments)
    results = {name: [_read(_settle(name, brand, arguments).path) for brand in brands] for name in CHOICES}
    print(tabulate(results))
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.training")
    parser.add_argument("folder", type=Path, help="keeps results and invented pictures")
    parser.add_argument("--data", type=Path, help="brands of a folder instead of invented ones")
    parser.add_argument("--names", nargs="*", default=[], help="of these brands of the folder")
    parser.add_argument("--brands", type=int, default=6, help="how many are invented")
    parser.add_argument("--only", choices=CHOICES, help="this choice alone")
    parser.add_argument("--epochs", type=int, default=TrainingOptions().epochs)
    parser.add_argument("--size", type=int, default=TrainingOptions().image_size, help="pixels")
    parser.add_argument("--train", type=int, default=62, help="pictures to learn from and to hold out")
    parser.add_argument("--test", type=int, default=48, help="invented pictures to test with")
    parser.add_argument("--longest", type=int, default=1280, help="pixels that pictures are reduced to")
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def _find_brands(arguments: argparse.Namespace) -> list[BenchBrand]:
    if arguments.data is not None:
        images = arguments.folder / "images"
        return read_brands(arguments.data, images, arguments.names, arguments.train, arguments.longest)
    return list(
        invent_brands(
            arguments.folder / "brands", arguments.brands, arguments.train, arguments.test, arguments.longest
        )
    )


def _settle(name: str, brand: BenchBrand, arguments: argparse.Namespace) -> Task:
    options, recipe = CHOICES[name].settle(arguments.epochs, arguments.size)
    settings = describe_settings(name, options, recipe) | {
        "pictures": sorted(item.sha256 for item in brand.dataset.items),
        "test": sorted(item.sha256 for item in brand.test),
        "device": arguments.device,
    }
    if name == PEER:
        # It ends when it is as good as the base.
        base = _read(_settle(BASE, brand, arguments).path)
        settings["goal"] = None if base is None else find_goal(base)
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    path = arguments.folder / "results" / brand.name / f"{key}.json"
    return Task(name, brand, options, recipe, settings, path)


def _measure_once(task: Task, arguments: argparse.Namespace) -> None:
    if task.path.exists():
        return
    print(f"{task.name}: {task.brand.name} …", file=sys.stderr, flush=True)
    work = arguments.folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    base = _read(_settle(BASE, task.brand, arguments).path)
    goal = None if base is None else find_goal(base)
    result = _measure(task, work, arguments.device, goal)
    task.path.parent.mkdir(parents=True, exist_ok=True)
    partial = task.path.with_suffix(".partial")
    partial.write_text(result.model_dump_json(indent=2))
    partial.replace(task.path)
    shutil.rmtree(work, ignore_errors=True)


def _measure(task: Task, work: Path, device: str, goal: float | None) -> Result:
    from ultralytics.nn.tasks import load_checkpoint

    started, computed = time.monotonic(), sum(os.times()[:4])
    curve: list[Point] = []

    def note(map50: float | None) -> bool:
        curve.append(
            Point(
                seconds=round(time.monotonic() - started, 1),
                cpu_seconds=round(sum(os.times()[:4]) - computed, 1),
                map50=map50 or 0.0,
            )
        )
        return goal is None or curve[-1].map50 < goal

    size = task.options.image_size
    data = write_dataset(task.brand.dataset, task.brand.images, work / "dataset", size)
    folder = work / "training"
    if task.name == PEER:
        train_plainly(data, task.options, folder, device, note)
    else:

        def tell(progress: Progress) -> None:
            note(progress.map50)

        callbacks = Callbacks(tell, _keep_nothing, lambda: False)
        base_weights = find_bundled(task.options.architecture)
        train_detector(data, task.options, base_weights, folder, callbacks, device=device, recipe=task.recipe)
    trained = time.monotonic() - started, sum(os.times()[:4]) - computed
    models = {kept: load_checkpoint(str(folder / "weights" / f"{kept}.pt")) for kept in ("last", "best")}
    epochs = {kept: checkpoint["epoch"] for kept, (_, checkpoint) in models.items()}
    last = _evaluate(task, models["last"][0], work)
    best = last if epochs["best"] == epochs["last"] else _evaluate(task, models["best"][0], work)
    return Result(
        choice=task.name,
        settings=task.settings,
        last=last,
        best=best,
        seconds=round(trained[0], 1),
        cpu_seconds=round(trained[1], 1),
        curve=curve,
    )


def _evaluate(task: Task, model: Any, work: Path) -> Figures:
    """On the test pictures, with the thresholds that the held-out ones choose."""
    weights = work / "model.safetensors"
    save_weights(fold_batch_norms(model.float().cpu()), weights)
    brand, size = task.brand, task.options.image_size
    labels = brand.dataset.labels
    detector = Detector(task.options.architecture, len(labels), weights)
    held_out = [item for item in brand.dataset.items if item.split == "val"]
    chosen = evaluate_detector(detector, labels, held_out, brand.images, size)
    tested = evaluate_detector(detector, labels, brand.test, brand.images, size, chosen.thresholds)
    products = [tested.metrics.per_label[label.name] for label in labels if label.role is LabelRole.PRODUCT]
    boxes = sum(one.boxes for one in products)
    return Figures(
        map50=tested.metrics.map50,
        map50_95=tested.metrics.map50_95,
        image_accuracy=tested.metrics.image_accuracy,
        product_recall=sum((one.recall or 0.0) * one.boxes for one in products) / max(boxes, 1),
        held_out_map50=chosen.metrics.map50,
        held_out_map50_95=chosen.metrics.map50_95,
    )


def _read(path: Path) -> Result | None:
    return Result.model_validate_json(path.read_text()) if path.exists() else None


def _keep_nothing(_epoch: int, _path: Path) -> None:
    """No checkpoint is wanted."""


if __name__ == "__main__":
    sys.exit(main())
