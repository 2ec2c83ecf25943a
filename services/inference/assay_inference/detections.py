"""What the detector found, in the words of the model version and in pixels of the picture."""

from __future__ import annotations

import numpy as np

from assay_engine.framing import Found
from assay_inference.checks.evidence import Seen
from assay_inference.pictures import Picture
from assay_inference.snapshot import LiveBrand, LiveModel
from assay_shared.detector.preprocess import Letterbox
from assay_shared.detector.rivals import find_unrivalled


def describe_found(
    found: Found, fit: Letterbox, picture: Picture, brand: LiveBrand, model: LiveModel
) -> list[Seen]:
    """What the detector found, one label to a place, as the thresholds were chosen for."""
    labels = {label.index: label for label in model.description.labels}
    thresholds = brand.published.thresholds
    boxes = fit.to_picture(found.boxes) * np.float32(picture.scale)
    kept = find_unrivalled(found.boxes, found.confidences)
    seen = []
    for box, confidence, index in zip(boxes[kept], found.confidences[kept], found.labels[kept], strict=True):
        label = labels.get(int(index))
        if label is not None:
            left, top, right, bottom = (float(value) for value in box)
            threshold = thresholds.get(label.name, label.threshold)
            seen.append(
                Seen(label.name, label.role, float(confidence), threshold, (left, top, right, bottom))
            )
    return seen
