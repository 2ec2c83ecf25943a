"""What bf16 does to the answers of trained detectors: `python -m bench.precision FOLDER [BRANDS]`.

Trains detectors of invented brands as the trainer does (minutes each; FOLDER keeps them for the next time),
then asks each way to run the engine on this CPU about pictures that no training saw: mAP50, how far boxes and
confidences move from those of eager PyTorch, and on how many pictures the verdict differs. No part of
`make bench`: it decided the default of ASSAY_ENGINE_PRECISION (ARCHITECTURE.md) and can decide it anew.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch

from assay_engine.framing import Found
from assay_engine.openvino_runtime import OpenVinoRuntime
from assay_engine.protocols import BrandDetector, Runtime
from assay_engine.runtime import TorchRuntime
from assay_inference.checks import run_checks
from assay_inference.checks.evidence import Evidence, Seen, pick_product
from assay_inference.pictures import Picture, decode
from assay_inference.quality import measure
from assay_inference.verdict import rule
from assay_shared.detector.detector import Detector
from assay_shared.detector.preprocess import Letterbox, letterbox
from assay_shared.detector.rivals import find_unrivalled
from assay_shared.model_description import DESCRIPTION_FILE, WEIGHTS_FILE, ModelDescription
from assay_shared.wire import Annotation, DatasetItem, DatasetManifest, Label, LabelRole, TrainingOptions
from assay_trainer.evaluation import evaluate_detector
from assay_trainer.job import Job
from deploy.local.photos.catalog import DemoBrand, brand_labels, make_brand
from deploy.local.photos.files import encode_photo
from deploy.local.photos.render import KINDS, render_photo

TRAIN, HELD_OUT, TEST = 50, 14, 96
"""Pictures to learn from, to choose thresholds by, and to measure with."""
FAKES_EVERY = 5
SIZE = (960, 720)
OPTIONS = TrainingOptions(image_size=416, epochs=int(os.environ.get("BENCH_EPOCHS", "20")))
FIRST_SEED = 7
MAX_PIXELS = 100_000_000
KEPT_MAP50 = 0.005
"""Half a point: what bf16 may cost."""


@dataclass(frozen=True)
class Trained:
    """A trained detector and the pictures to ask it about."""

    description: ModelDescription
    weights: Path
    items: list[DatasetItem]
    images: Path


def prepare(seed: int, folder: Path) -> Trained:
    """Trains the brand of a seed in `folder`, unless that was done before, and draws its test pictures."""
    from assay_shared.detector import offline as offline  # before ultralytics
    from assay_trainer.base_weights import find_bundled
    from assay_trainer.dataset import write_dataset
    from assay_trainer.package import package_model
    from assay_trainer.training import Callbacks, train_detector

    brand = make_brand(seed)
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    test = [
        draw(
            brand,
            9_000_000 + place,
            "genuine" if place % 2 == 0 else KINDS[place // 2 % len(KINDS)],
            "val",
            images,
        )
        for place in range(TEST)
    ]
    model = folder / "model"
    if not (model / DESCRIPTION_FILE).exists():
        items = [
            draw(
                brand,
                place,
                "wrong-logo" if place % FAKES_EVERY == 2 else "genuine",
                "train" if place < TRAIN else "val",
                images,
            )
            for place in range(TRAIN + HELD_OUT)
        ]
        labels = [Label(name=name, role=LabelRole(role)) for name, role in brand_labels(brand).items()]
        job = Job(
            run="run_bench",
            brand=brand.slug,
            version="mdl_bench",
            options=OPTIONS,
            images=images,
            folder=model,
            device="cpu",
            dataset=DatasetManifest(
                id="dsv_bench", brand=brand.slug, labels=labels, products=[], items=items
            ),
        )
        data = write_dataset(job.dataset, images, folder / "dataset", OPTIONS.image_size)
        callbacks = Callbacks(
            lambda progress: print(f"  {brand.slug} epoch {progress.epoch}", flush=True),
            lambda _epoch, _path: None,
            lambda: False,
        )
        trained, history = train_detector(
            data, OPTIONS, find_bundled(OPTIONS.architecture), folder / "training", callbacks, device="cpu"
        )
        package_model(job, trained, history, {"name": OPTIONS.architecture, "sha256": ""})
    description = ModelDescription.model_validate_json((model / DESCRIPTION_FILE).read_bytes())
    return Trained(description, model / WEIGHTS_FILE, test, images)


def draw(brand: DemoBrand, seed: int, kind: str, split: str, images: Path) -> DatasetItem:
    """One annotated picture, written into `images`."""
    photo = render_photo(brand, seed, kind=kind, width=SIZE[0], height=SIZE[1])
    data = encode_photo(photo, "jpeg", quality=92, gps=False)
    sha256 = hashlib.sha256(data).hexdigest()
    (images / f"{sha256}.jpg").write_bytes(data)
    boxes = [
        Annotation(label=box.label, left=box.left, top=box.top, width=box.width, height=box.height)
        for box in photo.boxes
    ]
    height, width = photo.pixels.shape[:2]
    return DatasetItem(
        sha256=sha256,
        extension="jpg",
        width=width,
        height=height,
        split="train" if split == "train" else "val",
        annotations=boxes,
    )


@dataclass(frozen=True)
class Answers:
    """What one way to run a detector says of the test pictures."""

    map50: float
    verdicts: list[str]
    found: list[Found]


def ask(detector: BrandDetector, one: Trained) -> Answers:
    """Average precision and verdicts of a detector, without barcodes, which do not depend on it."""
    labels = one.description.labels
    evaluation = evaluate_detector(
        cast(Detector, detector),  # it has `detect`, which is all that is used
        labels,
        one.items,
        one.images,
        one.description.image_size,
        {label.name: label.threshold for label in labels},
    )
    verdicts, everything = [], []
    for item in one.items:
        picture = decode((one.images / f"{item.sha256}.jpg").read_bytes(), MAX_PIXELS)
        pixels, fit = letterbox(picture.pixels, one.description.image_size)
        [found] = detector.detect(pixels[None])
        everything.append(found)
        verdicts.append(judge(one.description, picture, fit, found))
    return Answers(evaluation.metrics.map50, verdicts, everything)


def judge(description: ModelDescription, picture: Picture, fit: Letterbox, found: Found) -> str:
    """The verdict and the score, as the verify API reaches it."""
    boxes = fit.to_picture(found.boxes) * np.float32(picture.scale)
    seen = []
    for place in find_unrivalled(found.boxes, found.confidences):
        label = description.labels[int(found.labels[place])]
        left, top, right, bottom = (float(value) for value in boxes[place])
        seen.append(
            Seen(
                label.name,
                label.role,
                float(found.confidences[place]),
                label.threshold,
                (left, top, right, bottom),
            )
        )
    product = pick_product(tuple(seen), None)
    evidence = Evidence(
        width=picture.width,
        height=picture.height,
        image_size=description.image_size,
        quality=measure(picture, product.box if product else None),
        barcodes=(),
        seen=tuple(seen),
        roles={label.name: label.role for label in description.labels},
        required_marks={label: tuple(marks) for label, marks in description.required_marks.items()},
        products=(),
    )
    return rule(run_checks(evidence)).verdict.value


def compare(wanted: Answers, other: Answers, sure: float = 0.25) -> tuple[list[float], list[float]]:
    """How far boxes (pixels) and confidences move: of each detection of `wanted` surer than `sure`, to the
    nearest of its label."""
    pixels, confidences = [], []
    for left, right in zip(wanted.found, other.found, strict=True):
        for place in np.flatnonzero(left.confidences > sure):
            same = right.labels == left.labels[place]
            if not same.any():
                pixels.append(float("inf"))
                confidences.append(float(left.confidences[place]))
                continue
            distance = np.abs(right.boxes[same] - left.boxes[place]).max(1)
            pixels.append(float(distance.min()))
            nearest = right.confidences[same][distance.argmin()]
            confidences.append(float(abs(nearest - left.confidences[place])))
    return pixels, confidences


def main() -> int:
    """Trains what is not there, measures, prints; 0 when bf16 keeps mAP50 within half a point and every
    verdict."""
    folder, brands = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    threads = torch.get_num_threads()
    ways: dict[str, Runtime] = {
        "eager": TorchRuntime("cpu"),
        "openvino f32": OpenVinoRuntime("f32", threads),
        "openvino bf16": OpenVinoRuntime("bf16", threads),
    }
    kept = True
    for seed in range(FIRST_SEED, FIRST_SEED + brands):
        one = prepare(seed, folder / str(seed))
        answers = {name: ask(way.load(one.weights, one.description), one) for name, way in ways.items()}
        eager = answers["eager"]
        print(f"{one.description.brand}, {len(one.items)} pictures")
        for name, answer in answers.items():
            other = [
                f"{left}->{right}"
                for left, right in zip(eager.verdicts, answer.verdicts, strict=True)
                if left != right
            ]
            pixels, confidences = compare(eager, answer)
            print(
                f"  {name:14} mAP50 {answer.map50:.4f}   boxes px p50 {np.median(pixels):.3f}"
                f" p99 {np.percentile(pixels, 99):.2f} max {max(pixels):.2f}   confidences"
                f" p99 {np.percentile(confidences, 99):.4f} max {max(confidences):.4f}"
                f"   {len(pixels)} detections   other verdicts: {', '.join(other) or 'none'}",
                flush=True,
            )
            kept = kept and abs(answer.map50 - eager.map50) <= KEPT_MAP50 and not other
    print("bf16 keeps the answers" if kept else "bf16 CHANGES answers")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
