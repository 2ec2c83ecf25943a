"""How the trainer's choices compare: `python -m bench.training FOLDER`.

Trains detectors of several brands by each choice, and asks them about pictures that no training saw. The
peer is plain `yolo train`: ultralytics' trainer from the same base weights with its own defaults. Takes
minutes to hours: every result is kept in FOLDER and taken from there the next time, so it can be run in
slices (`--only NAME`, `--brands N`). `--data OUT` takes the brands of a folder
(`training_brands.read_brands`), else some are invented. Prints a table in Markdown, means over the brands
with their standard deviation.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import torch
from pydantic import BaseModel

from assay_shared.detector import offline as offline  # before ultralytics
from assay_shared.detector.architecture import build_trainable, fold_batch_norms
from assay_shared.detector.detector import Detector
from assay_shared.detector.weights import save_weights
from assay_shared.wire import LabelRole, TrainingOptions
from assay_trainer.base_weights import find_bundled, load_base_weights
from assay_trainer.dataset import write_dataset
from assay_trainer.evaluation import evaluate_detector
from assay_trainer.recipe import RECIPE
from assay_trainer.training import Callbacks, train_detector
from bench.training_brands import BenchBrand, invent_brands, read_brands
from bench.training_choices import CHOICES, CHOSEN, PEER

PEER_EPOCHS = 100
"""Ultralytics' default."""


class Result(BaseModel):
    """Of one brand by one choice. `curve`: seconds since the start and mAP50 on the held-out pictures after
    each epoch, as ultralytics measures it; `settings` is all that the result depends on."""

    settings: dict[str, Any]
    map50: float
    map50_95: float
    product_recall: float
    held_out_map50: float
    seconds: float
    curve: list[tuple[float, float]]


def main() -> int:
    """Measures what is not measured yet and prints the table; 0."""
    arguments = _parse()
    folder: Path = arguments.folder
    names = [arguments.only] if arguments.only else list(CHOICES)
    brands = list(_find_brands(arguments))
    for name in names:
        for brand in brands:
            _measure_once(name, brand, arguments)
    print(tabulate(folder, brands))
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.training")
    parser.add_argument("folder", type=Path, help="keeps results and invented pictures")
    parser.add_argument("--data", type=Path, help="brands of a folder instead of invented ones")
    parser.add_argument("--brands", type=int, default=6)
    parser.add_argument("--only", choices=CHOICES, help="this choice alone")
    parser.add_argument("--epochs", type=int, help="instead of the trainer's own number")
    parser.add_argument("--size", type=int, help="pixels instead of the trainer's own number")
    parser.add_argument("--train", type=int, default=62, help="invented pictures to learn from")
    parser.add_argument("--test", type=int, default=48, help="invented pictures to test with")
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def _find_brands(arguments: argparse.Namespace) -> Iterator[BenchBrand]:
    if arguments.data is not None:
        return read_brands(arguments.data, arguments.folder / "images", arguments.brands)
    return invent_brands(arguments.folder / "brands", arguments.brands, arguments.train, arguments.test)


def _measure_once(name: str, brand: BenchBrand, arguments: argparse.Namespace) -> None:
    options, settings = _settle(name, brand, arguments)
    path = _place(arguments.folder, name, brand)
    known = Result.model_validate_json(path.read_text()) if path.exists() else None
    if known is not None and known.settings == json.loads(json.dumps(settings)):
        return
    print(f"{name}: {brand.name} …", file=sys.stderr, flush=True)
    work = arguments.folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    result = _measure(name, brand, options, settings, work, arguments.device)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(result.model_dump_json(indent=2))
    shutil.rmtree(work, ignore_errors=True)


def _settle(
    name: str, brand: BenchBrand, arguments: argparse.Namespace
) -> tuple[TrainingOptions, dict[str, Any]]:
    """The options of a choice, and all that its result depends on."""
    asked = {"epochs": arguments.epochs, "image_size": arguments.size}
    given = {key: value for key, value in asked.items() if value is not None}
    if name == PEER:
        given = {"epochs": arguments.epochs or PEER_EPOCHS, "image_size": arguments.size or 640}
    options = TrainingOptions(**(given | CHOICES[name].options))
    settings = {
        "options": options.model_dump(),
        "recipe": asdict(replace(RECIPE, **CHOICES[name].recipe)),
        "pictures": sorted(item.sha256 for item in brand.dataset.items),
        "test": sorted(item.sha256 for item in brand.test),
        "device": arguments.device,
    }
    return options, settings


def _measure(
    name: str,
    brand: BenchBrand,
    options: TrainingOptions,
    settings: dict[str, Any],
    work: Path,
    device: str,
) -> Result:
    started = time.monotonic()
    curve: list[tuple[float, float]] = []

    def note(map50: float | None) -> None:
        curve.append((round(time.monotonic() - started, 2), map50 or 0.0))

    data = write_dataset(brand.dataset, brand.images, work / "dataset", options.image_size)
    if name == PEER:
        model = _train_plainly(data, options, work / "training", device, note)
    else:
        callbacks = Callbacks(lambda progress: note(progress.map50), _keep_nothing, lambda: False)
        recipe = replace(RECIPE, **CHOICES[name].recipe)
        model, _ = train_detector(
            data,
            options,
            find_bundled(options.architecture),
            work / "training",
            callbacks,
            device=device,
            recipe=recipe,
        )
    seconds = time.monotonic() - started
    weights = work / "model.safetensors"
    save_weights(fold_batch_norms(model), weights)
    labels = brand.dataset.labels
    detector = Detector(options.architecture, len(labels), weights)
    held_out = [item for item in brand.dataset.items if item.split == "val"]
    chosen = evaluate_detector(detector, labels, held_out, brand.images, options.image_size)
    tested = evaluate_detector(
        detector, labels, brand.test, brand.images, options.image_size, chosen.thresholds
    )
    figures = [tested.metrics.per_label[label.name] for label in labels if label.role is LabelRole.PRODUCT]
    boxes = sum(one.boxes for one in figures)
    return Result(
        settings=settings,
        map50=tested.metrics.map50,
        map50_95=tested.metrics.map50_95,
        product_recall=sum((one.recall or 0.0) * one.boxes for one in figures) / max(boxes, 1),
        held_out_map50=chosen.metrics.map50,
        seconds=round(seconds, 1),
        curve=curve,
    )


def _keep_nothing(_epoch: int, _path: Path) -> None:
    """No checkpoint is wanted."""


def _train_plainly(
    data: Path, options: TrainingOptions, folder: Path, device: str, note: Callable[[float | None], None]
) -> Any:
    """Ultralytics' trainer with its defaults, but for where it begins, where it writes and what it prints."""
    from ultralytics.models.yolo.detect import DetectionTrainer
    from ultralytics.nn.tasks import load_checkpoint
    from ultralytics.utils import LOGGER

    LOGGER.setLevel("WARNING")

    class PlainTrainer(DetectionTrainer):
        def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = False) -> Any:
            model = build_trainable(options.architecture, self.data["nc"])
            load_base_weights(model, find_bundled(options.architecture))
            return model

        def final_eval(self) -> None:
            return

    # Each picture once: showing rare ones more often is our choice, not its default.
    plain = data.with_name("plain.yaml")
    plain.write_text(data.read_text().replace("train: train.txt", "train: images/train"))
    on_gpu = device != "cpu" and torch.cuda.is_available()
    trainer: Any = PlainTrainer(
        overrides={
            "model": f"{options.architecture}.yaml",
            "data": str(plain),
            "task": "detect",
            "imgsz": options.image_size,
            "epochs": options.epochs,
            "device": "0" if on_gpu else "cpu",
            "amp": on_gpu,
            "workers": 8 if on_gpu else 0,
            "pretrained": False,
            "plots": False,
            "verbose": False,
            "save_dir": str(folder),
            "exist_ok": True,
        }
    )
    trainer.add_callback(
        "on_fit_epoch_end", lambda trainer: note((trainer.metrics or {}).get("metrics/mAP50(B)"))
    )
    trainer.train()
    return load_checkpoint(str(folder / "weights" / "best.pt"))[0].float().cpu()


def tabulate(folder: Path, brands: list[BenchBrand]) -> str:
    """What is measured so far of these brands, as a table in Markdown."""
    lines = [
        f"{len(brands)} brands; mean ± standard deviation over those measured. Flattery: mAP50 of the "
        "held-out pictures less that of the test pictures. To par: until the held-out mAP50 of "
        f"{CHOSEN!r} is reached.",
        "",
        "| choice | brands | mAP50 | mAP50-95 | product recall | flattery | seconds | seconds to par |",
        "|---|---|---|---|---|---|---|---|",
    ]
    par = {brand.name: _read(folder, CHOSEN, brand) for brand in brands}
    for name in CHOICES:
        found = [(brand.name, result) for brand in brands if (result := _read(folder, name, brand))]
        if not found:
            continue
        results = [result for _, result in found]
        times = [find_par(result, par[brand]) for brand, result in found]
        reached = [seconds for seconds in times if seconds is not None]
        to_par = f"{_spread(reached, 0)} ({len(reached)} of {len(found)})" if reached else "never"
        lines.append(
            f"| {name} | {len(found)} | {_spread([one.map50 for one in results])} "
            f"| {_spread([one.map50_95 for one in results])} "
            f"| {_spread([one.product_recall for one in results])} "
            f"| {_spread([one.held_out_map50 - one.map50 for one in results])} "
            f"| {_spread([one.seconds for one in results], 0)} | {to_par} |"
        )
    return "\n".join(lines)


def find_par(result: Result, par: Result | None) -> float | None:
    """Seconds until a training is as good as the chosen one became, on the held-out pictures; None: never."""
    if par is None:
        return None
    goal = max(map50 for _, map50 in par.curve)
    return next((seconds for seconds, map50 in result.curve if map50 >= goal), None)


def _read(folder: Path, name: str, brand: BenchBrand) -> Result | None:
    path = _place(folder, name, brand)
    return Result.model_validate_json(path.read_text()) if path.exists() else None


def _place(folder: Path, name: str, brand: BenchBrand) -> Path:
    return folder / "results" / name.replace(" ", "-").replace(",", "") / f"{brand.name}.json"


def _spread(values: list[float], digits: int = 3) -> str:
    return f"{mean(values):.{digits}f} ± {pstdev(values):.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
