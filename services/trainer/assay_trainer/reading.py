"""What the verdict looks at in a picture: one label to a place, the surest product, and what lies on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from assay_shared.detector.on_product import lies_on_product
from assay_shared.detector.rivals import find_unrivalled
from assay_shared.wire import Annotation, DatasetItem, DatasetManifest, LabelRole
from assay_trainer.matching import Found

REQUIRED_SHARE = 0.9
"""A mark that at least this share of a product's genuine training pictures show is required of it."""
UNKNOWN_THRESHOLD = 0.5
"""Of a label that nothing was learnt about."""

Roles = Mapping[str, LabelRole]
Thresholds = Mapping[str, float]


def keep_unrivalled(found: Found) -> Found:
    """The detections that keep their place, surest first: see `assay_shared.detector.rivals`."""
    return _keep(found, find_unrivalled(found.boxes, found.confidences))


def keep_judged(
    found: Found, known: Sequence[str], roles: Roles, thresholds: Thresholds | None = None
) -> Found:
    """The product that is judged and what lies on it; without a product, everything.

    It is the surest above its threshold, as in serving; where none is, or thresholds are still to be chosen,
    the surest. A threshold chosen against the packages in the background, which nobody annotates and no
    verdict looks at, would refuse genuine products.
    """
    is_product = np.array([roles.get(known[label]) is LabelRole.PRODUCT for label in found.labels], bool)
    if not is_product.any():
        return found
    counts = is_product
    if thresholds is not None:
        sure = is_product & find_sure(found, known, thresholds)
        counts = sure if sure.any() else is_product
    surest = int(np.argmax(np.where(counts, found.confidences, -1)))
    kept = [
        row == surest or _lies_on(found.boxes[surest], box, roles.get(known[label]))
        for row, (box, label) in enumerate(zip(found.boxes, found.labels, strict=True))
    ]
    return _keep(found, np.flatnonzero(kept))


def find_sure(found: Found, known: Sequence[str], thresholds: Thresholds) -> npt.NDArray[np.bool_]:
    """Which detections reach the threshold of their label: (N,)."""
    floors = np.array([thresholds.get(known[label], UNKNOWN_THRESHOLD) for label in found.labels])
    sure: npt.NDArray[np.bool_] = found.confidences >= floors
    return sure


def is_read_right(found: Found, known: Sequence[str], roles: Roles, thresholds: Thresholds) -> bool:
    """Whether a picture is read as annotated: the product, and which other labels lie on it.

    The product that counts is the surest found and the largest annotated; so a package of the same look in
    the background, which nobody annotates, does not. `found` without rivals.
    """
    sure = find_sure(found, known, thresholds)
    sizes = (found.true_boxes[:, 2:] - found.true_boxes[:, :2]).prod(1)
    seen = _read(found.boxes[sure], found.labels[sure], found.confidences[sure], known, roles)
    true = _read(found.true_boxes, found.true_labels, sizes, known, roles)
    return seen == true


def find_required_marks(manifest: DatasetManifest) -> dict[str, list[str]]:
    """By product label: the marks that lie on the product in nearly all of its genuine training pictures
    (those that are no known counterfeits)."""
    roles = {label.name: label.role for label in manifest.labels}
    shown: dict[str, dict[str, int]] = {}
    pictures: dict[str, int] = {}
    for item in manifest.items:
        if item.split != "train" or is_known_counterfeit(item, roles):
            continue
        for product in item.annotations:
            if roles[product.label] is not LabelRole.PRODUCT:
                continue
            pictures[product.label] = pictures.get(product.label, 0) + 1
            on_it = {
                box.label
                for box in item.annotations
                if roles[box.label] is LabelRole.MARK
                and lies_on_product(corners(product), corners(box), LabelRole.MARK)
            }
            for mark in on_it:
                counts = shown.setdefault(product.label, {})
                counts[mark] = counts.get(mark, 0) + 1
    return {
        product: sorted(
            mark for mark, count in shown.get(product, {}).items() if count >= REQUIRED_SHARE * total
        )
        for product, total in pictures.items()
    }


def is_known_counterfeit(item: DatasetItem, roles: Roles) -> bool:
    """Whether an image shows a known counterfeit: marked so as a whole, or by a box of such a label."""
    return item.truth == "counterfeit" or any(
        roles[box.label] is LabelRole.COUNTERFEIT for box in item.annotations
    )


def corners(box: Annotation) -> tuple[float, float, float, float]:
    """An annotation as left, top, right, bottom."""
    return box.left, box.top, box.left + box.width, box.top + box.height


def _read(
    boxes: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float32],
    known: Sequence[str],
    roles: Roles,
) -> tuple[str | None, frozenset[str]]:
    names = [known[label] for label in labels]
    products = [row for row, name in enumerate(names) if roles.get(name) is LabelRole.PRODUCT]
    if not products:
        return None, frozenset(names)
    product = max(products, key=lambda row: weights[row])
    on_it = {
        name for name, box in zip(names, boxes, strict=True) if _lies_on(boxes[product], box, roles.get(name))
    }
    return names[product], frozenset(on_it)


def _lies_on(product: npt.NDArray[np.float32], box: npt.NDArray[np.float32], role: LabelRole | None) -> bool:
    # A label that the model does not know has no role; it must be seen like a mark.
    return lies_on_product(product.tolist(), box.tolist(), role or LabelRole.MARK)


def _keep(found: Found, rows: npt.NDArray[np.intp]) -> Found:
    return dataclasses.replace(
        found, boxes=found.boxes[rows], confidences=found.confidences[rows], labels=found.labels[rows]
    )
