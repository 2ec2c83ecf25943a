"""A detector for a brand, trained as the trainer does but smaller, and what it finds in all photos.

What it found is kept, the weights are not: nothing else of a detector is asked again.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel

from assay_inference.geometry import Rectangle
from assay_shared.detector import offline as offline  # before ultralytics
from assay_shared.detector.architecture import fold_batch_norms
from assay_shared.detector.detector import Detector
from assay_shared.detector.preprocess import letterbox
from assay_shared.detector.rivals import find_unrivalled
from assay_shared.detector.weights import save_weights
from assay_shared.wire import TrainingOptions
from assay_trainer.base_weights import find_bundled
from assay_trainer.dataset import write_dataset
from assay_trainer.evaluation import evaluate_detector
from assay_trainer.reading import find_required_marks
from assay_trainer.training import Callbacks, train_detector
from bench.accuracy.kept import keep
from bench.accuracy.photos import TESTED, TRAIN, Box, list_photos, read_roles
from bench.training_brands import UNREDUCED, BenchBrand, read_brand

FEW = TrainingOptions(image_size=480, epochs=12)
"""Without a GPU, less than the trainer's own 640 pixels and 100 epochs, for the sake of minutes on two
cores."""


class Seen(BaseModel):
    """One detection; `box` left, top, right, bottom in pixels of the photo."""

    label: str
    confidence: float
    box: Rectangle

    def to_box(self) -> Box:
        """As the checks are asked about it."""
        return Box(self.label, self.confidence, self.box)


class Detections(BaseModel):
    """What a brand's detector found, by photo (`Photo.name`), one label to a place, surest first; its
    thresholds, the marks it requires, its figures on the held-out photos, and what it cost."""

    thresholds: dict[str, float]
    required_marks: dict[str, list[str]]
    map50: float
    seconds: float
    options: TrainingOptions
    found: dict[str, list[Seen]]


def find_detections(folder: Path, results: Path, train: int) -> Detections | None:
    """What was kept of a brand's detector; None where none was trained."""
    path = _place(folder, results, train)
    return Detections.model_validate_json(path.read_bytes()) if path.exists() else None


def train_once(folder: Path, results: Path, train: int) -> None:
    """Trains a brand's detector on `train` photos and keeps what it finds, unless that was done before."""
    if find_detections(folder, results, train) is not None:
        return
    with tempfile.TemporaryDirectory() as work:
        detections = _train(folder, Path(work), train)
    keep(_place(folder, results, train), detections.model_dump_json().encode())
    print(f"{folder.name}: detector of {detections.seconds:.0f} s, mAP50 {detections.map50:.2f}", flush=True)


def measure_detector(
    folder: Path, brand: BenchBrand, options: TrainingOptions, weights: Path, seconds: float
) -> Detections:
    """What a brand's detector finds in all photos, by the thresholds that its held-out photos choose."""
    labels = brand.dataset.labels
    detector = Detector(options.architecture, len(labels), weights)
    held_out = [item for item in brand.dataset.items if item.split == "val"]
    chosen = evaluate_detector(detector, labels, held_out, brand.images, options.image_size)
    return Detections(
        thresholds=chosen.thresholds,
        required_marks=find_required_marks(brand.dataset),
        map50=chosen.metrics.map50,
        seconds=round(seconds, 1),
        options=options,
        found=_detect_all(folder, detector, [label.name for label in labels], options.image_size),
    )


def _place(folder: Path, results: Path, train: int) -> Path:
    return results / "detectors" / f"{folder.name}-{train}.json"


def _train(folder: Path, work: Path, train: int) -> Detections:
    started = time.monotonic()
    options = TrainingOptions() if torch.cuda.is_available() else FEW
    brand = read_brand(folder, work / "images", train, UNREDUCED, read_roles(folder))
    data = write_dataset(brand.dataset, brand.images, work / "dataset", options.image_size)
    callbacks = Callbacks(
        lambda progress: print(f"  {folder.name}: epoch {progress.epoch}, {progress.map50}", flush=True),
        lambda _epoch, _path: None,
        lambda: False,
    )
    base = find_bundled(options.architecture)
    model, _ = train_detector(data, options, base, work / "training", callbacks)
    weights = work / "model.safetensors"
    save_weights(fold_batch_norms(model), weights)
    return measure_detector(folder, brand, options, weights, time.monotonic() - started)


def _detect_all(folder: Path, detector: Detector, names: list[str], size: int) -> dict[str, list[Seen]]:
    everything = {}
    for photo in list_photos(folder, (TRAIN, *TESTED)):
        picture = photo.read()
        pixels, fit = letterbox(picture.pixels, size)
        [found] = detector.detect(pixels[None])
        boxes = fit.to_picture(found.boxes) * np.float32(picture.scale)
        everything[photo.name] = [
            Seen(
                label=names[int(found.labels[row])],
                confidence=float(found.confidences[row]),
                box=tuple(float(edge) for edge in boxes[row]),
            )
            for row in find_unrivalled(found.boxes, found.confidences)
        ]
    return everything


def main() -> None:
    """`python -m bench.accuracy.detectors PHOTOS RESULTS TRAIN BRAND ...`: trains one after another."""
    photos, results, train = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    for name in sys.argv[4:]:
        train_once(photos / name, results, train)


if __name__ == "__main__":
    main()
