"""The product of a photo cut out, by a detector's boxes or nearly as annotated, as the services do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay_inference.checks.evidence import Seen, pick_product
from assay_inference.geometry import Rectangle
from assay_inference.quality import Quality, measure
from assay_shared.appearance.patches import Patch, cut_patch
from assay_shared.detector.overlap import measure_overlap
from assay_shared.wire import LabelRole
from assay_trainer.appearances import LEAST_OVERLAP
from bench.accuracy.detectors import Detections
from bench.accuracy.photos import PRODUCT, Box, Photo

SURE = 0.5
"""Threshold of annotated boxes, whose confidence is 1."""


@dataclass(frozen=True)
class Cut:
    """A photo's size, what was seen, the quality of its product and its patch (None: no product)."""

    width: int
    height: int
    seen: list[Seen]
    quality: Quality
    patch: Patch | None


def cut_learnt(photo: Photo, detections: Detections | None) -> Patch:
    """The product of a training photo, cut out as the trainer does (assay_trainer.appearances)."""
    box = photo.move_annotation().box
    if detections is not None:
        true = np.array([photo.read_annotation()[0].box], np.float32)
        mine = np.array([one.box for one in detections.found[photo.name] if one.label == PRODUCT], np.float32)
        overlaps = measure_overlap(mine.reshape(-1, 4), true)[:, 0] if len(mine) else np.zeros(0)
        near = len(overlaps) and overlaps.max() >= LEAST_OVERLAP
        left, top, right, bottom = map(float, mine[int(overlaps.argmax())] if near else true[0])
        box = (left, top, right, bottom)
    picture = photo.read()
    return cut_patch(picture.pixels, _scale(box, 1 / picture.scale))


def cut_tested(photo: Photo, detections: Detections | None, roles: dict[str, LabelRole], share: float) -> Cut:
    """The product of a photo to be judged, cut out and measured as the verify API does (verifier)."""
    picture = photo.read(share)
    if detections is None:
        found: Sequence[Box] = [photo.move_annotation()]
    else:
        found = [one.to_box() for one in detections.found[photo.name]]
    thresholds = detections.thresholds if detections is not None else {}
    seen = [
        Seen(
            one.label,
            roles[one.label],
            one.confidence,
            thresholds.get(one.label, SURE),
            _scale(one.box, share),
        )
        for one in found
    ]
    product = pick_product(tuple(seen), None)
    quality = measure(picture, product.box if product else None)
    patch = None
    if product is not None:
        patch = cut_patch(picture.pixels, _scale(product.box, 1 / picture.scale))
    return Cut(picture.width, picture.height, seen, quality, patch)


def _scale(box: Rectangle, share: float) -> Rectangle:
    left, top, right, bottom = (share * edge for edge in box)
    return left, top, right, bottom
