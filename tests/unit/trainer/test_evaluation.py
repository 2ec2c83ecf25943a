"""Figures of a model on pictures, with detections given by hand."""

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
from assay_trainer.evaluation import Evaluation, evaluate_detector
from assay_trainer.report import count_confusions
from tests.unit.trainer.support import LABELS, box, item

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
    for name in "0123456789abcdef":
        Image.fromarray(np.zeros((SIZE, SIZE, 3), np.uint8)).save(tmp_path / (name * 64 + ".jpg"))
    return tmp_path


CARTON, LOGO, SEAL = box("carton", 4, 4, 40, 40), box("logo", 8, 8, 10, 10), box("seal", 28, 28, 10, 10)


def picture(name: str, *boxes: Annotation, group: str | None = None) -> DatasetItem:
    return item(name * 64, "val", *boxes, size=(SIZE, SIZE)).model_copy(update={"group": group})


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


def test_thresholds_come_from_the_other_folds_and_ship_from_all(images: Path) -> None:
    shy = [(CARTON, 0.9), (LOGO, 0.3)]
    evaluation = evaluate(
        images,
        [
            (picture("a", CARTON, LOGO), shy),
            (picture("b", CARTON), [(CARTON, 0.9)]),
            (picture("c", CARTON), [(CARTON, 0.9)]),
        ],
    )
    # Only `a` shows that logos are found this unsurely, and it may not say so for itself.
    assert evaluation.judged_by[0]["logo"] == 0.5
    assert evaluation.judged_by[1]["logo"] < 0.3
    assert evaluation.thresholds["logo"] < 0.3
    assert evaluation.right == [False, True, True]
    assert evaluation.metrics.folds == 3
    assert evaluation.metrics.per_label["logo"].recall == 0
    assert evaluation.metrics.per_label["logo"].average_precision50 == 1  # needs no threshold


@pytest.mark.parametrize("confidence", [0.2, 0.6, 0.95])
def test_what_a_group_shows_has_no_part_in_its_own_thresholds(images: Path, confidence: float) -> None:
    def judge_by(own: float) -> list[dict[str, float]]:
        twins = [(picture(name, CARTON, LOGO, group="twins"), [(CARTON, own), (LOGO, own)]) for name in "ab"]
        others = [
            (picture(name, CARTON, LOGO), [(CARTON, 0.8), (LOGO, 0.7), (SEAL, 0.4)])
            for name in "0123456789cd"
        ]
        evaluation = evaluate(images, [*twins, *others])
        assert evaluation.metrics.groups == 13
        assert evaluation.metrics.folds == 5
        return [dict(evaluation.judged_by[place]) for place in (0, 1)]

    first, second = judge_by(confidence)
    assert first == second
    assert judge_by(0.75) == [first, second]


def test_given_thresholds_are_used_everywhere_and_are_no_folds(images: Path) -> None:
    given = dict.fromkeys((label.name for label in LABELS), 0.25)
    evaluation = evaluate(images, [(picture("a", CARTON, LOGO), [(CARTON, 0.3), (LOGO, 0.3)])], given)
    assert evaluation.judged_by == [given]
    assert evaluation.metrics.folds is None
    assert evaluation.right == [True]


def test_every_figure_lies_in_its_interval(images: Path) -> None:
    metrics = evaluate(
        images,
        [
            (picture("a", CARTON, LOGO), [(CARTON, 0.9), (LOGO, 0.8)]),
            (picture("b", CARTON, LOGO), [(CARTON, 0.9)]),
            (picture("c", CARTON, LOGO), [(CARTON, 0.8), (SEAL, 0.95)]),
            (picture("d", CARTON, LOGO), [(CARTON, 0.9), (LOGO, 0.7)]),
        ],
    ).metrics
    for figures, names in (
        (metrics, ("map50", "map50_95", "image_accuracy")),
        (metrics.per_label["logo"], ("recall", "average_precision50")),
        (metrics.per_label["seal"], ("precision",)),
    ):
        said = figures.model_dump()
        for name in names:
            assert 0 <= said[f"{name}_low"] <= said[name] <= said[f"{name}_high"] <= 1
            assert said[f"{name}_low"] < said[f"{name}_high"]
    assert metrics.per_label["logo"].recall == 0.5
    assert metrics.per_label["seal"].recall is metrics.per_label["seal"].recall_low is None


def test_near_duplicates_count_once_in_the_intervals(images: Path) -> None:
    def low(group: str | None) -> float:
        pairs = [(picture(name, CARTON, group=group), [(CARTON, 0.9)]) for name in "01234567"]
        return evaluate(images, [*pairs, (picture("a", CARTON), [(CARTON, 0.9)])]).metrics.image_accuracy_low

    assert low(None) == pytest.approx(9 / (9 + 1.96**2))
    assert low("burst") == pytest.approx(2 / (2 + 1.96**2))


def test_of_a_single_group_nothing_is_known(images: Path) -> None:
    metrics = evaluate(
        images, [(picture(name, CARTON, group="one"), [(CARTON, 0.9)]) for name in "ab"]
    ).metrics
    assert (metrics.map50, metrics.map50_low, metrics.map50_high) == (1, 0, 1)
    assert metrics.folds == 1
