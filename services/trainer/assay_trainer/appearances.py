"""The appearance of each product of a run, learnt from its genuine photos and stored beside the weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from assay_shared.appearance.files import pack_appearance, pack_whole
from assay_shared.appearance.fitting import Fit, fit_appearance
from assay_shared.appearance.patches import Patch, Pixels, cut_patch
from assay_shared.detector.overlap import measure_overlap
from assay_shared.likeness import name_group
from assay_shared.logs import get_logger
from assay_shared.model_description import ProductAppearance
from assay_shared.reduction import find_reduction, read_reduced
from assay_shared.wire import DatasetItem, LabelRole
from assay_trainer.job import Job
from assay_trainer.matching import Found
from assay_trainer.reading import corners, is_known_counterfeit

FOLDER = "appearance"
MOST = 120
"""Genuine photos of a product that are learnt from: more cost minutes and gigabytes and tell little."""
MOST_KNOWN = 30
"""Known counterfeits of a product that are looked at."""
LEAST_OVERLAP = 0.4
"""Overlap with its annotation from which on a photo is cut out as the detector found it."""

Shown = tuple[DatasetItem, Found]
"""A photo of the product, and what the detector found in it."""

log = get_logger(__name__)


def fit_appearances(
    job: Job, items: Sequence[DatasetItem], found: Sequence[Found]
) -> dict[str, ProductAppearance]:
    """Fits every product label to its genuine photos, known counterfeits beside them where there are some,
    and writes `appearance/{index}.safetensors`.

    `found` is what the detector found in each item: the product is cut out as serving will cut it out, not
    as it was annotated.
    """
    roles = {label.name: label.role for label in job.dataset.labels}
    fitted = {}
    for index, label in enumerate(job.dataset.labels):
        if label.role is not LabelRole.PRODUCT:
            continue
        shown = [
            (item, seen) for item, seen in zip(items, found, strict=True) if _shows_once(item, label.name)
        ]
        genuine = _choose([one for one in shown if not is_known_counterfeit(one[0], roles)], MOST)
        known = _choose([one for one in shown if is_known_counterfeit(one[0], roles)], MOST_KNOWN)
        patches, counterfeits = (
            [_cut_product(job, item, seen, index, label.name) for item, seen in chosen]
            for chosen in (genuine, known)
        )
        fit = fit_appearance(patches, [name_group(item) for item, _ in genuine], counterfeits)
        file = None
        data = pack_fit(fit)
        if data is not None:
            file = f"{FOLDER}/{index}.safetensors"
            path = job.folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        log.info("appearance", product=label.name, photos=fit.photos, aligned=fit.aligned, reason=fit.reason)
        fitted[label.name] = ProductAppearance(
            file=file, reason=fit.reason, photos=fit.photos, aligned=fit.aligned
        )
    return fitted


def pack_fit(fit: Fit) -> bytes | None:
    """What is served of a product: its print, or else what it is like as a whole, or nothing."""
    if fit.model is not None:
        return pack_appearance(fit.model)
    return None if fit.whole is None else pack_whole(fit.whole)


def _shows_once(item: DatasetItem, label: str) -> bool:
    return sum(box.label == label for box in item.annotations) == 1


def _choose(shown: Sequence[Shown], most: int) -> list[Shown]:
    """Evenly over all of them: they come in the order of upload, so of sessions of photography."""
    return [shown[i] for i in np.linspace(0, len(shown) - 1, min(len(shown), most)).round().astype(int)]


def _cut_product(job: Job, item: DatasetItem, found: Found, index: int, label: str) -> Patch:
    """The product of a photo as the detector found it; as it was annotated where that is far off."""
    box = next(box for box in item.annotations if box.label == label)
    true = np.array([corners(box)], np.float32)
    mine = found.boxes[found.labels == index]
    overlaps = measure_overlap(mine, true)[:, 0] if len(mine) else np.zeros(0)
    near = len(overlaps) and overlaps.max() >= LEAST_OVERLAP
    left, top, right, bottom = (float(edge) for edge in (mine[int(overlaps.argmax())] if near else true[0]))
    pixels = read_small(job.images / f"{item.sha256}.{item.extension}")
    scale = pixels.shape[1] / item.width
    return cut_patch(pixels, (left * scale, top * scale, right * scale, bottom * scale))


def read_small(path: Path) -> Pixels:
    """The pixels of a sanitised picture, reduced as the verify API reduces it: (h, w, 3) RGB."""
    with Image.open(path) as picture:
        reduction = find_reduction(*picture.size)
        return np.asarray(read_reduced(picture, reduction, lambda image: image.convert("RGB")))
