"""How good a model is on the held-out split, by the very code that serves it (`assay_shared.detector`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from assay_shared.detector.detector import Detector
from assay_shared.detector.postprocess import MIN_CONFIDENCE
from assay_shared.detector.preprocess import letterbox
from assay_shared.likeness import name_group
from assay_shared.model_description import Metrics, ModelLabel
from assay_shared.wire import DatasetItem, Label
from assay_trainer.figures import measure_figures
from assay_trainer.folds import deal_folds
from assay_trainer.matching import IOU_LEVELS, Found, choose_threshold, match
from assay_trainer.reading import (
    UNKNOWN_THRESHOLD,
    Thresholds,
    corners,
    is_read_right,
    keep_judged,
    keep_unrivalled,
)


@dataclass(frozen=True)
class Evaluation:
    """Figures and thresholds of a model on pictures.

    Parallel: `items`; `found`, all that was found in each; `judged`, what of that the verdict looks at;
    `judged_by`, the thresholds that it was judged by; `right`, whether it was read as annotated.
    `map50_draws` is mAP50 in every draw of the bootstrap.
    """

    metrics: Metrics
    thresholds: dict[str, float]
    items: list[DatasetItem]
    found: list[Found]
    judged: list[Found]
    judged_by: list[Thresholds]
    right: list[bool]
    map50_draws: npt.NDArray[np.float64]


def evaluate_detector(
    detector: Detector,
    labels: Sequence[Label | ModelLabel],
    items: list[DatasetItem],
    images: Path,
    image_size: int,
    thresholds: dict[str, float] | None = None,
) -> Evaluation:
    """Runs a detector over annotated pictures (`images/{sha256}.{extension}`), of which there must be one.

    `labels` are the detector's, by index; annotations of labels it does not know count as missed. Average
    precision is measured as everybody does, label by label; thresholds, precision, recall and image accuracy
    on what the verdict will look at (`reading`).

    Unless given, thresholds are chosen by F1, and cross-fitted: the pictures are dealt into folds, and each
    is judged by thresholds chosen on the other folds (0.5 for a label that those do not show). The thresholds
    that are returned, and ship, are chosen on all of them.
    """
    names = [label.name for label in labels]
    known = names + sorted({box.label for item in items for box in item.annotations} - set(names))
    roles = {label.name: label.role for label in labels}
    found = [detect_picture(detector, item, images, image_size, known) for item in items]
    unrivalled = [keep_unrivalled(picture) for picture in found]
    folds = None
    if thresholds is None:
        likely = [keep_judged(picture, known, roles) for picture in unrivalled]
        folds = deal_folds(items)
        chosen = choose_thresholds(likely, known)
        of_fold = [
            choose_thresholds([one for one, its in zip(likely, folds, strict=True) if its != fold], known)
            for fold in range(max(folds) + 1)
        ]
        judged_by: list[Thresholds] = [of_fold[fold] for fold in folds]
    else:
        chosen, judged_by = thresholds, [thresholds] * len(items)
    right = [
        is_read_right(picture, known, roles, used)
        for picture, used in zip(unrivalled, judged_by, strict=True)
    ]
    judged = [
        keep_judged(picture, known, roles, used) for picture, used in zip(unrivalled, judged_by, strict=True)
    ]
    groups = [name_group(item) for item in items]
    metrics, draws = measure_figures(found, judged, judged_by, right, groups, known)
    if folds is not None:
        metrics = metrics.model_copy(update={"folds": max(folds) + 1})
    ship = {name: chosen.get(name, UNKNOWN_THRESHOLD) for name in names}
    return Evaluation(metrics, ship, items, found, judged, judged_by, right, draws)


def choose_thresholds(judged: Sequence[Found], known: Sequence[str]) -> dict[str, float]:
    """Each label's threshold on pictures as `reading.keep_judged` leaves them."""
    if not judged:
        return dict.fromkeys(known, UNKNOWN_THRESHOLD)
    right = np.concatenate([match(picture, IOU_LEVELS[:1])[:, 0] for picture in judged])
    confidences = np.concatenate([picture.confidences for picture in judged])
    detected = np.concatenate([picture.labels for picture in judged])
    true = np.concatenate([picture.true_labels for picture in judged])
    return {
        name: choose_threshold(
            right[detected == index],
            confidences[detected == index],
            int((true == index).sum()),
            MIN_CONFIDENCE,
        )
        for index, name in enumerate(known)
    }


def detect_picture(
    detector: Detector, item: DatasetItem, images: Path, image_size: int, known: Sequence[str]
) -> Found:
    """What a detector finds in one picture, and what is annotated there; labels by their place in `known`."""
    square, geometry = letterbox(read_picture(images, item), image_size)
    detections = detector.detect(square[None])[0]
    return Found(
        boxes=geometry.to_picture(detections.boxes),
        confidences=detections.confidences,
        labels=detections.labels,
        true_boxes=np.array([corners(box) for box in item.annotations], np.float32).reshape(-1, 4),
        true_labels=np.array([known.index(box.label) for box in item.annotations], np.int64),
    )


def read_picture(images: Path, item: DatasetItem) -> npt.NDArray[np.uint8]:
    """The pixels of a sanitised picture: (H, W, 3) RGB, upright."""
    with Image.open(images / f"{item.sha256}.{item.extension}") as picture:
        return np.asarray(picture.convert("RGB"))
