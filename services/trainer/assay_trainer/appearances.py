"""The appearance of each product of a run, learnt from its genuine photos and stored beside the weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assay_shared.appearance.files import pack_appearance
from assay_shared.appearance.fitting import fit_appearance
from assay_shared.appearance.patches import Patch, cut_patch
from assay_shared.detector.overlap import measure_overlap
from assay_shared.logs import get_logger
from assay_shared.model_description import ProductAppearance
from assay_shared.wire import DatasetItem, LabelRole
from assay_trainer.folds import name_group
from assay_trainer.job import Job
from assay_trainer.matching import Found
from assay_trainer.evaluation import read_picture
from assay_trainer.reading import corners, is_known_counterfeit

FOLDER = "appearance"
LEAST_OVERLAP = 0.4
"""Overlap with its annotation from which on a photo is cut out as the detector found it."""

log = get_logger(__name__)


def fit_appearances(
    job: Job, items: Sequence[DatasetItem], found: Sequence[Found]
) -> dict[str, ProductAppearance]:
    """Fits every product label to its genuine photos and writes `appearance/{index}.safetensors`.

    `found` is what the detector found in each item: the product is cut out as serving will cut it out, not
    as it was annotated.
    """
    roles = {label.name: label.role for label in job.dataset.labels}
    fitted = {}
    for index, label in enumerate(job.dataset.labels):
        if label.role is not LabelRole.PRODUCT:
            continue
        patches, groups = [], []
        for item, seen in zip(items, found, strict=True):
            patch = _cut_genuine(job, item, seen, index, label.name, roles)
            if patch is not None:
                patches.append(patch)
                groups.append(name_group(item))
        fit = fit_appearance(patches, groups)
        file = None
        if fit.model is not None:
            file = f"{FOLDER}/{index}.safetensors"
            path = job.folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pack_appearance(fit.model))
        log.info("appearance", product=label.name, photos=fit.photos, aligned=fit.aligned, reason=fit.reason)
        fitted[label.name] = ProductAppearance(
            file=file, reason=fit.reason, photos=fit.photos, aligned=fit.aligned
        )
    return fitted


def _cut_genuine(
    job: Job, item: DatasetItem, found: Found, index: int, label: str, roles: dict[str, LabelRole]
) -> Patch | None:
    """The product of a photo that shows it once, no tell-tale of a counterfeit, and is not marked as one;
    else None."""
    boxes = [box for box in item.annotations if box.label == label]
    if len(boxes) != 1 or is_known_counterfeit(item, roles):
        return None
    true = np.array([corners(boxes[0])], np.float32)
    mine = found.boxes[found.labels == index]
    overlaps = measure_overlap(mine, true)[:, 0] if len(mine) else np.zeros(0)
    near = len(overlaps) and overlaps.max() >= LEAST_OVERLAP
    left, top, right, bottom = (float(edge) for edge in (mine[int(overlaps.argmax())] if near else true[0]))
    return cut_patch(read_picture(job.images, item), (left, top, right, bottom))
