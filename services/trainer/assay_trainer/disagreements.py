"""Where model and annotation disagree: most likely mistakes of the annotation, the most telling first.

The detector is asked about all pictures, those it has learnt from as well: one mistake among many right boxes
is seldom learnt by heart, so what it says there still tells.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from assay_shared.detector.on_product import lies_on_product
from assay_shared.detector.overlap import measure_overlap
from assay_shared.model_description import Disagreement
from assay_shared.wire import Annotation, DatasetItem, Label, LabelRole
from assay_trainer.matching import Floats, Found
from assay_trainer.reading import Thresholds, corners, find_sure, keep_unrivalled

MOST = 20
"""How many are listed: what a person looks through in minutes."""
LEAST_RANK = 0.25
"""Below it nothing is listed. Mistakes planted in the annotations of a small model ranked at .48 to .97; in
62 photos of a generated brand, without any mistake, 6 places ranked above .25, 5 of them behind it."""
SURE = 0.5
"""Confidence below which the model is not believed against a person, whatever the label's threshold."""
SAME_PLACE = 0.5
"""Overlap from which boxes of different labels are about the same thing (as in `detector.rivals`)."""
TOUCHING = 0.1
"""Overlap from which boxes of one label are about the same thing, drawn differently."""
LOOSE = 0.6
"""Overlap below which one of two boxes is drawn badly; COCO asks for .5 to .95."""
BESIDE = 0.5
"""Worth of a missing box beside the annotated product: what lies in the background need not be annotated."""


def find_disagreements(
    items: Sequence[DatasetItem], found: Sequence[Found], labels: Sequence[Label], thresholds: Thresholds
) -> list[Disagreement]:
    """At most MOST disagreements; `found` (all that was) in each of `items`, whose labels all are known.

    A disagreement ranks as high as the model is sure, and as its label is reliable in these pictures: what it
    misses, by the share of the label's boxes that it finds; what it sees in addition, by the share of its
    detections that are annotated; how it draws a box, by how well it usually does.
    """
    tally = _Tally()
    compared = [
        _compare(item, picture, labels, thresholds, tally) for item, picture in zip(items, found, strict=True)
    ]
    ranked = [
        one.model_copy(update={"rank": round(one.rank * tally.reliability(one), 4)})
        for disagreements in compared
        for one in disagreements
    ]
    telling = [one for one in ranked if one.rank >= LEAST_RANK]
    return sorted(telling, key=lambda one: (-one.rank, one.image, one.kind))[:MOST]


@dataclass
class _Tally:
    """By label: of its annotated boxes and of its detections, which have a partner; how partners overlap."""

    annotated: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    detected: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    overlaps: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def reliability(self, one: Disagreement) -> float:
        """How far the model is to be believed in this kind of disagreement, 0 to 1."""
        match one.kind:
            case "needless_box":
                flags = self.annotated[one.label or ""]
            case "loose_box":
                return max(0.0, 1 - one.overlap / median(self.overlaps[one.label or ""]))
            case _:
                flags = self.detected[one.found or ""]
        return sum(flags) / len(flags)


def _compare(
    item: DatasetItem, picture: Found, labels: Sequence[Label], thresholds: Thresholds, tally: _Tally
) -> list[Disagreement]:
    """The disagreements of one picture, ranked by the model's confidence alone."""
    names = [label.name for label in labels]
    unrivalled = keep_unrivalled(picture)
    sure = find_sure(unrivalled, names, thresholds) & (unrivalled.confidences >= SURE)
    boxes, confidences, seen = unrivalled.boxes[sure], unrivalled.confidences[sure], unrivalled.labels[sure]
    overlap = measure_overlap(picture.true_boxes, boxes)
    pairs = _pair(overlap, picture.true_labels[:, None] == seen[None])
    result = []
    for row, box in enumerate(item.annotations):
        column = pairs.get(row)
        if column is None:
            hint, hinted = _find_hint(picture, row)
            floor = thresholds[box.label]
            tally.annotated[box.label].append(hint >= floor)
            if hint < floor:
                told = _tell(item, "needless_box", 1 - hint / floor, box, None, hint, hinted)
                result.append(told)
            continue
        there = _annotate(names[seen[column]], boxes[column])
        confidence, shared = float(confidences[column]), float(overlap[row, column])
        tally.annotated[box.label].append(there.label == box.label)
        tally.detected[there.label].append(there.label == box.label)
        if there.label != box.label:
            own, _ = _find_hint(picture, row)
            result.append(_tell(item, "wrong_label", confidence - own, box, there, confidence, shared))
            continue
        tally.overlaps[box.label].append(shared)
        if shared < LOOSE:
            result.append(_tell(item, "loose_box", confidence, box, there, confidence, shared))
    for column in sorted(set(range(len(seen))) - set(pairs.values())):
        label, confidence = labels[int(seen[column])], float(confidences[column])
        same = overlap[picture.true_labels == seen[column], column]
        if (same >= TOUCHING).any():
            # The same thing found twice, of which one has its partner.
            continue
        tally.detected[label.name].append(False)
        worth = 1.0 if _belongs(item, boxes[column], label.role, labels) else BESIDE
        there, shared = _annotate(label.name, boxes[column]), float(overlap[:, column].max(initial=0))
        result.append(_tell(item, "missing_box", worth * confidence, None, there, confidence, shared))
    return result


def _pair(overlap: Floats, same: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> dict[int, int]:
    """Annotated box to detection: those of one label first, then what overlaps most."""
    worth = np.where(same, np.where(overlap >= TOUCHING, 1 + overlap, 0), overlap * (overlap >= SAME_PLACE))
    pairs: dict[int, int] = {}
    for place in np.argsort(-worth, axis=None, kind="stable"):
        row, column = (int(index) for index in np.unravel_index(place, worth.shape))
        if worth[row, column] <= 0:
            break
        if row not in pairs and column not in pairs.values():
            pairs[row] = column
    return pairs


def _find_hint(picture: Found, row: int) -> tuple[float, float]:
    """The surest detection of an annotated box's label about there, however unsure: confidence, overlap."""
    same = picture.labels == picture.true_labels[row]
    overlap = measure_overlap(picture.true_boxes[[row]], picture.boxes[same])[0]
    near = overlap >= TOUCHING
    if not near.any():
        return 0.0, 0.0
    best = int(np.argmax(np.where(near, picture.confidences[same], -1)))
    return float(picture.confidences[same][best]), float(overlap[best])


def _belongs(item: DatasetItem, box: Floats, role: LabelRole, labels: Sequence[Label]) -> bool:
    """Whether a thing of this role should have been annotated: on an annotated product, or a product where
    none is; without any product, all."""
    products = {label.name for label in labels if label.role is LabelRole.PRODUCT}
    there = [corners(one) for one in item.annotations if one.label in products]
    return not there or any(lies_on_product(product, box.tolist(), role) for product in there)


def _annotate(label: str, box: Floats) -> Annotation:
    left, top, right, bottom = (round(float(edge), 1) for edge in box)
    return Annotation(label=label, left=left, top=top, width=right - left, height=bottom - top)


def _tell(
    item: DatasetItem,
    kind: str,
    rank: float,
    annotated: Annotation | None,
    there: Annotation | None,
    confidence: float,
    overlap: float,
) -> Disagreement:
    return Disagreement.model_validate(
        {
            "image": item.sha256,
            "split": item.split,
            "kind": kind,
            "label": annotated.label if annotated else None,
            "found": there.label if there else None,
            "confidence": round(confidence, 4),
            "overlap": round(overlap, 4),
            "rank": min(1.0, max(0.0, rank)),
            "annotated_box": annotated,
            "found_box": there,
        }
    )
