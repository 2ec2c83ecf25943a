"""How good a model is on the held-out split, by the very code that serves it (`assay_shared.detector`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from assay_shared.detector.detector import Detector
from assay_shared.detector.postprocess import MIN_CONFIDENCE
from assay_shared.detector.preprocess import letterbox
from assay_shared.detector.rivals import find_unrivalled
from assay_shared.model_description import LabelMetrics, Metrics, ModelLabel
from assay_shared.wire import DatasetItem, DatasetManifest, Label, LabelRole
from assay_trainer.matching import (
    IOU_LEVELS,
    Found,
    average_precision,
    choose_threshold,
    match,
    wilson_interval,
)

REQUIRED_SHARE = 0.9
"""A mark that at least this share of a product's genuine training pictures show is required of it."""
AROUND = 0.05
"""Share of the product's box by which the middle of what lies on it may stick out; serving allows as much."""


@dataclass(frozen=True)
class Evaluation:
    """Figures and thresholds of a model on pictures; `found` and `items` are parallel."""

    metrics: Metrics
    thresholds: dict[str, float]
    items: list[DatasetItem]
    found: list[Found]


def evaluate_detector(
    detector: Detector,
    labels: Sequence[Label | ModelLabel],
    items: list[DatasetItem],
    images: Path,
    image_size: int,
    thresholds: dict[str, float] | None = None,
) -> Evaluation:
    """Runs a detector over annotated pictures (`images/{sha256}.{extension}`).

    `labels` are the detector's, by index; annotations of labels it does not know count as missed. Thresholds
    are chosen by F1 unless given. Average precision is measured as everybody does, label by label;
    thresholds, precision, recall and image accuracy on what the verdict will look at: one label to a place,
    the surest product, and what lies on it.
    """
    names = [label.name for label in labels]
    known = names + sorted({box.label for item in items for box in item.annotations} - set(names))
    everything = [_detect(detector, item, images, image_size, known) for item in items]
    precisions = _measure_precisions(everything, known)
    roles = {label.name: label.role for label in labels}
    found = [_keep_judged(_keep_unrivalled(picture), known, roles) for picture in everything]
    rights = [match(picture, IOU_LEVELS[:1])[:, 0] for picture in found]
    right, confidences = np.concatenate(rights), np.concatenate([picture.confidences for picture in found])
    detected = np.concatenate([picture.labels for picture in found])
    chosen = dict(thresholds or {})
    per_label: dict[str, LabelMetrics] = {}
    for index, name in enumerate(known):
        mine = detected == index
        boxes = sum(int((picture.true_labels == index).sum()) for picture in found)
        if thresholds is None:
            chosen[name] = choose_threshold(right[mine], confidences[mine], boxes, MIN_CONFIDENCE)
        kept = confidences[mine] >= chosen.get(name, 0.5)
        hits = int(right[mine][kept].sum())
        per_label[name] = LabelMetrics(
            average_precision50=precisions[index][0] if index in precisions else None,
            precision=hits / int(kept.sum()) if kept.any() else None,
            recall=hits / boxes if boxes else None,
            boxes=boxes,
        )
    levels = list(precisions.values())
    correct = sum(_is_right(picture, known, roles, chosen) for picture in found)
    low, high = wilson_interval(correct, len(found))
    metrics = Metrics(
        map50=float(np.mean([level[0] for level in levels])) if levels else 0.0,
        map50_95=float(np.mean(levels)) if levels else 0.0,
        image_accuracy=correct / len(found) if found else 0.0,
        image_accuracy_low=low,
        image_accuracy_high=high,
        images=len(found),
        per_label=per_label,
    )
    return Evaluation(metrics, {name: chosen.get(name, 0.5) for name in names}, items, found)


def find_required_marks(manifest: DatasetManifest) -> dict[str, list[str]]:
    """By product label: the marks whose box has its centre inside the product's box in nearly all of that
    product's genuine training pictures (those without a box of a counterfeit label)."""
    roles = {label.name: label.role for label in manifest.labels}
    shown: dict[str, dict[str, int]] = {}
    pictures: dict[str, int] = {}
    for item in manifest.items:
        if item.split != "train" or any(
            roles[box.label] is LabelRole.COUNTERFEIT for box in item.annotations
        ):
            continue
        for product in item.annotations:
            if roles[product.label] is not LabelRole.PRODUCT:
                continue
            pictures[product.label] = pictures.get(product.label, 0) + 1
            inside = {
                box.label
                for box in item.annotations
                if roles[box.label] is LabelRole.MARK
                and product.left <= box.left + box.width / 2 <= product.left + product.width
                and product.top <= box.top + box.height / 2 <= product.top + product.height
            }
            for mark in inside:
                counts = shown.setdefault(product.label, {})
                counts[mark] = counts.get(mark, 0) + 1
    return {
        product: sorted(
            mark for mark, count in shown.get(product, {}).items() if count >= REQUIRED_SHARE * total
        )
        for product, total in pictures.items()
    }


def read_picture(images: Path, item: DatasetItem) -> npt.NDArray[np.uint8]:
    """The pixels of a sanitised picture: (H, W, 3) RGB, upright."""
    with Image.open(images / f"{item.sha256}.{item.extension}") as picture:
        return np.asarray(picture.convert("RGB"))


def _detect(detector: Detector, item: DatasetItem, images: Path, image_size: int, known: list[str]) -> Found:
    square, geometry = letterbox(read_picture(images, item), image_size)
    detections = detector.detect(square[None])[0]
    corners = [(box.left, box.top, box.left + box.width, box.top + box.height) for box in item.annotations]
    return Found(
        boxes=geometry.to_picture(detections.boxes),
        confidences=detections.confidences,
        labels=detections.labels,
        true_boxes=np.array(corners, np.float32).reshape(-1, 4),
        true_labels=np.array([known.index(box.label) for box in item.annotations], np.int64),
    )


def _measure_precisions(found: list[Found], known: list[str]) -> dict[int, list[float]]:
    """By index of each label that occurs: its average precision at every overlap level."""
    rights = np.concatenate([match(picture) for picture in found])
    confidences = np.concatenate([picture.confidences for picture in found])
    detected = np.concatenate([picture.labels for picture in found])
    true = np.concatenate([picture.true_labels for picture in found])
    return {
        index: [
            average_precision(rights[detected == index, level], confidences[detected == index], boxes)
            for level in range(len(IOU_LEVELS))
        ]
        for index in range(len(known))
        if (boxes := int((true == index).sum()))
    }


def _keep_unrivalled(found: Found) -> Found:
    kept = find_unrivalled(found.boxes, found.confidences)
    return dataclasses.replace(
        found, boxes=found.boxes[kept], confidences=found.confidences[kept], labels=found.labels[kept]
    )


def _keep_judged(found: Found, known: list[str], roles: dict[str, LabelRole]) -> Found:
    """The surest product and what lies on it; without a product, everything.

    A threshold chosen against the packages in the background, which nobody annotates and no verdict looks
    at, would refuse genuine products.
    """
    is_product = np.array([roles.get(known[label]) is LabelRole.PRODUCT for label in found.labels], bool)
    if not is_product.any():
        return found
    surest = int(np.argmax(np.where(is_product, found.confidences, -1)))
    left, top, right, bottom = found.boxes[surest]
    across, down = AROUND * (right - left), AROUND * (bottom - top)
    x, y = ((found.boxes[:, :2] + found.boxes[:, 2:]) / 2).T
    on_it = (left - across <= x) & (x <= right + across) & (top - down <= y) & (y <= bottom + down)
    kept = on_it & ~is_product
    kept[surest] = True
    return dataclasses.replace(
        found, boxes=found.boxes[kept], confidences=found.confidences[kept], labels=found.labels[kept]
    )


def _is_right(
    found: Found, known: list[str], roles: dict[str, LabelRole], thresholds: dict[str, float]
) -> bool:
    """Whether a picture is read as annotated: the product, and which other labels lie on it.

    The product that counts is the surest found and the largest annotated; so a package of the same look in
    the background, which nobody annotates, does not.
    """
    sure = np.array(
        [
            confidence >= thresholds.get(known[label], 0.5)
            for label, confidence in zip(found.labels, found.confidences, strict=True)
        ],
        bool,
    )
    sizes = (found.true_boxes[:, 2:] - found.true_boxes[:, :2]).prod(1)
    seen = _read(found.boxes[sure], found.labels[sure], found.confidences[sure], known, roles)
    true = _read(found.true_boxes, found.true_labels, sizes, known, roles)
    return seen == true


def _read(
    boxes: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float32],
    known: list[str],
    roles: dict[str, LabelRole],
) -> tuple[str | None, frozenset[str]]:
    names = [known[label] for label in labels]
    products = [row for row, name in enumerate(names) if roles.get(name) is LabelRole.PRODUCT]
    if not products:
        return None, frozenset(names)
    product = max(products, key=lambda row: weights[row])
    left, top, right, bottom = boxes[product]
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    on_it = {
        name
        for name, (x, y) in zip(names, middles, strict=True)
        if roles.get(name) is not LabelRole.PRODUCT and left <= x <= right and top <= y <= bottom
    }
    return names[product], frozenset(on_it)
