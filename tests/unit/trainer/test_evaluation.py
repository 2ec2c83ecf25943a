"""Figures of a model on pictures, with detections given by hand, and which marks a product requires."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from assay_shared.detector.detector import Detector
from assay_shared.detector.postprocess import Detections
from assay_shared.wire import Annotation, DatasetItem
from assay_trainer.evaluation import Evaluation, evaluate_detector, find_required_marks
from assay_trainer.report import count_confusions
from tests.unit.trainer.support import LABELS, box, item, make_manifest

SIZE = 64
Sighting = tuple[Annotation, float]


class GivenDetector:
    """Finds, picture after picture, what it was given; pictures are as large as the input."""

    def __init__(self, sightings: Sequence[Sequence[Sighting]]) -> None:
        self._left = list(sightings)

    def detect(self, batch: np.ndarray, min_confidence: float = 0.05) -> list[Detections]:
        assert batch.shape == (1, SIZE, SIZE, 3)
        names = [label.name for label in LABELS]
        sightings = self._left.pop(0)
        boxes = [(b.left, b.top, b.left + b.width, b.top + b.height) for b, _ in sightings]
        return [
            Detections(
                np.array(boxes, np.float32).reshape(-1, 4),
                np.array([confidence for _, confidence in sightings], np.float32),
                np.array([names.index(b.label) for b, _ in sightings], np.int64),
            )
        ]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in "abcd":
        Image.fromarray(np.zeros((SIZE, SIZE, 3), np.uint8)).save(tmp_path / (name * 64 + ".jpg"))
    return tmp_path


CARTON, LOGO, SEAL = box("carton", 4, 4, 40, 40), box("logo", 8, 8, 10, 10), box("seal", 28, 28, 10, 10)


def picture(name: str, *boxes: Annotation) -> DatasetItem:
    return item(name * 64, "val", *boxes, size=(SIZE, SIZE))


def evaluate(
    images: Path,
    pairs: Sequence[tuple[DatasetItem, Sequence[Sighting]]],
    thresholds: dict[str, float] | None = None,
) -> Evaluation:
    detector = cast(Detector, GivenDetector([sightings for _, sightings in pairs]))
    return evaluate_detector(detector, LABELS, [item for item, _ in pairs], images, SIZE, thresholds)


def test_everything_right(images: Path) -> None:
    evaluation = evaluate(
        images, [(picture(name, CARTON, LOGO), [(CARTON, 0.9), (LOGO, 0.8)]) for name in "ab"]
    )
    metrics = evaluation.metrics
    assert (metrics.map50, metrics.map50_95, metrics.image_accuracy, metrics.images) == (1, 1, 1, 2)
    assert metrics.per_label["carton"].recall == metrics.per_label["carton"].precision == 1
    # Labels that the held-out pictures do not show have no figures, and count in no mean.
    assert metrics.per_label["seal"].average_precision50 is None
    assert set(evaluation.thresholds) == {label.name for label in LABELS}


def test_missed_and_false(images: Path) -> None:
    thresholds = dict.fromkeys((label.name for label in LABELS), 0.5)
    evaluation = evaluate(
        images,
        [
            (picture("a", CARTON, LOGO), [(CARTON, 0.9), (LOGO, 0.8)]),
            (picture("b", CARTON, LOGO), [(CARTON, 0.9), (LOGO, 0.4)]),  # below the threshold
            (
                picture("c", CARTON, LOGO),
                [(CARTON, 0.9), (LOGO, 0.7), (SEAL, 0.9)],
            ),  # a seal that is not there
            (picture("d", CARTON), [(CARTON, 0.9)]),
        ],
        thresholds,
    )
    metrics = evaluation.metrics
    assert metrics.image_accuracy == 0.5
    assert metrics.image_accuracy_low < 0.5 < metrics.image_accuracy_high
    assert metrics.per_label["logo"].precision == 1
    assert metrics.per_label["logo"].recall == pytest.approx(2 / 3)
    assert metrics.per_label["seal"].precision == 0
    assert metrics.per_label["logo"].average_precision50 == 1  # needs no threshold
    assert evaluation.thresholds == thresholds

    confusion = count_confusions(evaluation, [label.name for label in LABELS])
    carton, logo, seal, nothing = 0, 1, 2, len(LABELS)
    assert confusion[carton, carton] == 4
    assert (confusion[logo, logo], confusion[logo, nothing], confusion[nothing, seal]) == (2, 1, 1)
    assert confusion.sum() == 8


def test_label_that_the_model_does_not_know_counts_as_missed(images: Path) -> None:
    stranger = box("hologram", 1, 1, 10, 10)
    evaluation = evaluate(images, [(picture("a", CARTON, stranger), [(CARTON, 0.9)])])
    assert evaluation.metrics.map50 == 0.5
    assert evaluation.metrics.image_accuracy == 0
    assert "hologram" not in evaluation.thresholds


def test_nothing_found_at_all(images: Path) -> None:
    metrics = evaluate(images, [(picture("a", CARTON), [])]).metrics
    assert (metrics.map50, metrics.image_accuracy) == (0, 0)
    assert metrics.per_label["carton"].precision is None


def test_required_marks() -> None:
    outside = box("seal", 50, 50, 10, 10)
    genuine = [item(f"{number:064x}", "train", CARTON, LOGO, SEAL) for number in range(9)]
    marks = find_required_marks(make_manifest(*genuine, item("f" * 64, "train", CARTON, LOGO, outside)))
    assert marks == {"carton": ["logo", "seal"]}
    # Two of eleven without a seal on the product: no longer nine in ten.
    lacking = [item(letter * 64, "train", CARTON, LOGO, outside) for letter in "ef"]
    assert find_required_marks(make_manifest(*genuine, *lacking)) == {"carton": ["logo"]}


def test_required_marks_are_learned_from_genuine_training_pictures_only() -> None:
    known_fake = item("e" * 64, "train", CARTON, box("fake-logo", 8, 8, 10, 10))
    held_out = item("f" * 64, "val", CARTON)
    genuine = item("a" * 64, "train", CARTON, LOGO)
    assert find_required_marks(make_manifest(genuine, known_fake, held_out)) == {"carton": ["logo"]}
    assert find_required_marks(make_manifest(known_fake)) == {}
