"""A small model, really trained: mistakes planted in its annotations are found; versions are compared."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from assay_shared.model_description import Disagreement, Metrics
from assay_shared.wire import Annotation, DatasetManifest, TrainingOptions
from assay_trainer.base_weights import find_bundled
from assay_trainer.dataset import write_dataset
from assay_trainer.evaluation import Evaluation
from assay_trainer.job import Job
from assay_trainer.package import compare_evaluations, package_model
from assay_trainer.training import Callbacks, train_detector
from tests.unit.trainer.support import box, item, make_manifest

SIZE, EPOCHS, PICTURES, HELD_OUT = 160, 20, 36, 6
MISTAKES = {8: "missing_box", 14: "wrong_label", 20: "loose_box", 26: "needless_box"}


def draw_card(pen: ImageDraw.ImageDraw, left: int, top: int) -> list[Annotation]:
    """A card with a round logo and a three-cornered seal."""
    pen.rectangle((left, top, left + 80, top + 70), fill=(230, 200, 60))
    pen.ellipse((left + 10, top + 10, left + 40, top + 40), fill=(30, 40, 200))
    pen.polygon([(left + 50, top + 65), (left + 75, top + 65), (left + 62, top + 40)], fill=(200, 30, 30))
    return [
        box("carton", left, top, 80, 70),
        box("logo", left + 10, top + 10, 30, 30),
        box("seal", left + 50, top + 40, 25, 25),
    ]


def spoil(boxes: list[Annotation], mistake: str | None) -> list[Annotation]:
    """Boxes with a person's mistake."""
    carton, logo, seal = boxes
    match mistake:
        case "missing_box":
            return [carton, logo]
        case "wrong_label":
            return [carton, logo.model_copy(update={"label": "seal"}), seal]
        case "loose_box":
            return [carton.model_copy(update={"width": 38.0}), logo, seal]
        case "needless_box":
            return [*boxes, box("logo", 2, 90, 28, 28)]
    return boxes


def draw_pictures(folder: Path) -> tuple[DatasetManifest, dict[str, str]]:
    """Cards on noise; and by image, the mistake planted in its annotation."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    items, planted = [], {}
    for number in range(PICTURES):
        picture = Image.fromarray(rng.integers(0, 90, (120, 160, 3), np.uint8))
        boxes = draw_card(ImageDraw.Draw(picture), int(rng.integers(5, 60)), int(rng.integers(5, 30)))
        path = folder / "picture.jpg"
        picture.save(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        path.rename(folder / f"{sha256}.jpg")
        mistake = MISTAKES.get(number)
        if mistake is not None:
            planted[sha256] = mistake
        split = "val" if number < HELD_OUT else "train"
        made = item(sha256, "train", *spoil(boxes, mistake), size=(160, 120))
        items.append(made.model_copy(update={"split": split}))
    return make_manifest(*items), planted


def test_planted_mistakes_are_found_in_pictures_that_were_learnt_from(tmp_path: Path) -> None:
    dataset, planted = draw_pictures(tmp_path / "images")
    options = TrainingOptions(image_size=SIZE, epochs=EPOCHS, batch=4)
    job = Job(
        run="run_1",
        brand="acme",
        version="mv_1",
        options=options,
        dataset=dataset,
        images=tmp_path / "images",
        folder=tmp_path / "model",
    )
    data = write_dataset(dataset, job.images, tmp_path / "dataset", SIZE)
    callbacks = Callbacks(lambda _progress: None, lambda _epoch, _path: None, lambda: False)
    base = find_bundled(options.architecture)
    model, history = train_detector(data, options, base, tmp_path / "run", callbacks, device="cpu")
    description = package_model(job, model, history, {})
    told = description.disagreements
    first = {one.image: one.kind for one in told[: len(planted)]}
    assert first == planted
    check_pictures(told, job.folder, description.files)
    reported = json.loads((job.folder / "report/report.json").read_text())["disagreements"]
    assert [Disagreement.model_validate(one) for one in reported] == told
    assert description.metrics.image_accuracy_low <= description.metrics.image_accuracy
    assert description.metrics.folds == HELD_OUT


def check_pictures(told: list[Disagreement], folder: Path, files: dict[str, str]) -> None:
    for one in told:
        assert f"report/{one.picture}" in files
        with Image.open(folder / "report" / one.picture) as picture:
            assert picture.format == "PNG"


def evaluate(right: list[bool], draws: list[float], groups: list[str]) -> Evaluation:
    """An evaluation that read these pictures rightly, with mAP50 in these draws."""
    metrics = Metrics(
        map50=float(np.mean(draws)),
        map50_95=0.5,
        image_accuracy=sum(right) / len(right),
        image_accuracy_low=0,
        image_accuracy_high=1,
        images=len(right),
        per_label={},
    )
    items = [
        item(f"{number:064x}", "val").model_copy(update={"group": group})
        for number, group in enumerate(groups)
    ]
    return Evaluation(metrics, {}, items, [], [], [], right, np.array(draws))


def test_versions_are_compared_group_by_group_and_draw_by_draw() -> None:
    groups = ["a", "a", "b", "c", "d", "d"]
    live = evaluate([True, True, True, False, True, False], [0.8, 0.9, 0.7], groups)
    new = evaluate([True, False, False, True, False, True], [0.9, 0.9, 0.9], groups)
    compared = compare_evaluations("v1", live, new)
    # Worse in `a` and `b`, better in `c`; in `d` one picture each way.
    assert (compared.worse, compared.better) == (2, 1)
    assert compared.version == "v1"
    assert compared.map50_change_low == pytest.approx(0.005)
    assert compared.map50_change_high == pytest.approx(0.195)
