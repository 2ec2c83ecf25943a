"""What serving measures in a brand's photos, kept: how its checks rule on it is asked anew each time.

The appearance is fitted to training photos and asked about all others by the code that the verify API's
workers run. Results are named by the sources of that code and by the boxes.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

import assay_inference.appearance_workers
import assay_inference.quality
import assay_inference.recapture
import assay_shared.appearance
import assay_shared.reduction
from assay_inference.appearance_workers import Appearance, judge_patch
from assay_inference.checks.evidence import Seen, pick_product
from assay_inference.quality import Quality, measure
from assay_shared.appearance.files import pack_appearance
from assay_shared.appearance.fitting import fit_appearance
from assay_shared.appearance.patches import Patch, cut_patch
from assay_shared.detector.overlap import measure_overlap
from assay_shared.wire import LabelRole
from assay_trainer.appearances import LEAST_OVERLAP
from bench.accuracy.detectors import Detections
from bench.accuracy.embedding import make_embedder
from bench.accuracy.kept import KEY, find_source, hash_sources, keep
from bench.accuracy.photos import PRODUCT, TESTED, TRAIN, Box, Photo, list_photos, read_roles

SURE = 0.5
"""Threshold of annotated boxes, whose confidence is 1."""


class Measured(BaseModel):
    """Of one photo: its size, what was seen in it, its quality where the product is, what the workers found
    of its appearance (None: no product, or none that is known), and its likeness to the nearest training
    photo (nan: no product)."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    width: int
    height: int
    seen: list[Seen]
    quality: Quality
    appearance: Appearance | None
    likeness: float
    milliseconds: float


class Results(BaseModel):
    """Of one brand: how its appearance was fitted (`reason` where it was not), and all photos by name."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    seconds: float
    reason: str
    photos: int
    aligned: int
    bytes: int
    by_detector: bool
    required_marks: dict[str, list[str]]
    measured: dict[str, Measured]


def find_results(folder: Path, kept: Path, train: int, detections: Detections | None) -> Results | None:
    """What was kept of a brand; None where it is to be measured yet."""
    path = _place(folder, kept, train, detections)
    return Results.model_validate_json(path.read_bytes()) if path.exists() else None


def measure_once(folder: Path, kept: Path, train: int, detections: Detections | None) -> None:
    """Measures a brand's photos and keeps what was found, unless that was done before."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    path = _place(folder, kept, train, detections)
    if path.exists():
        return
    started = time.monotonic()
    results = _measure_brand(folder, path.with_suffix(".safetensors"), train, detections)
    keep(path, results.model_dump_json().encode())
    print(f"{folder.name}: measured in {time.monotonic() - started:.0f} s", flush=True)


def _place(folder: Path, kept: Path, train: int, detections: Detections | None) -> Path:
    sources = hash_sources(
        *map(
            find_source,
            (
                assay_shared.appearance,
                assay_shared.reduction,
                assay_inference.appearance_workers,
                assay_inference.quality,
                assay_inference.recapture,
            ),
        )
    )
    boxes = "annotated"
    if detections is not None:
        boxes = "detector-" + hashlib.sha256(detections.model_dump_json().encode()).hexdigest()[:KEY]
    return kept / "measured" / sources / f"{folder.name}-{train}-{boxes}.json"


@dataclass(frozen=True)
class _Cut:
    """A photo's size, what was seen, the quality of its product and its patch (None: no product)."""

    width: int
    height: int
    seen: list[Seen]
    quality: Quality
    patch: Patch | None


def _measure_brand(folder: Path, model: Path, train: int, detections: Detections | None) -> Results:
    roles = read_roles(folder)
    patches = [_cut_learnt(photo, detections) for photo in list_photos(folder, (TRAIN,), train)]
    started = time.perf_counter()
    fit = fit_appearance(patches)
    seconds = time.perf_counter() - started
    if fit.model is not None:
        keep(model, pack_appearance(fit.model))
    embed = make_embedder()
    known = np.stack([embed(patch) for patch in patches])
    measured = {}
    for photo in list_photos(folder, TESTED):
        cut = _cut_tested(photo, detections, roles)
        appearance, likeness, spent = None, float("nan"), 0.0
        if cut.patch is not None:
            likeness = float((known @ embed(cut.patch)).max())
        if cut.patch is not None and fit.model is not None:
            begun = time.perf_counter()
            appearance = replace(judge_patch(str(model), cut.patch), picture=b"")
            spent = 1000 * (time.perf_counter() - begun)
        measured[photo.name] = Measured(
            width=cut.width,
            height=cut.height,
            seen=cut.seen,
            quality=cut.quality,
            appearance=appearance,
            likeness=likeness,
            milliseconds=round(spent, 1),
        )
    return Results(
        seconds=round(seconds, 1),
        reason=fit.reason,
        photos=fit.photos,
        aligned=fit.aligned,
        bytes=model.stat().st_size if fit.model is not None else 0,
        by_detector=detections is not None,
        required_marks=detections.required_marks if detections is not None else {},
        measured=measured,
    )


def _cut_learnt(photo: Photo, detections: Detections | None) -> Patch:
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
    left, top, right, bottom = (edge / picture.scale for edge in box)
    return cut_patch(picture.pixels, (left, top, right, bottom))


def _cut_tested(photo: Photo, detections: Detections | None, roles: dict[str, LabelRole]) -> _Cut:
    """The product of a photo to be judged, cut out and measured as the verify API does (verifier)."""
    picture = photo.read()
    if detections is None:
        found: Sequence[Box] = [photo.move_annotation()]
    else:
        found = [one.to_box() for one in detections.found[photo.name]]
    thresholds = detections.thresholds if detections is not None else {}
    seen = [
        Seen(one.label, roles[one.label], one.confidence, thresholds.get(one.label, SURE), one.box)
        for one in found
    ]
    product = pick_product(tuple(seen), None)
    quality = measure(picture, product.box if product else None)
    patch = None
    if product is not None:
        left, top, right, bottom = (edge / picture.scale for edge in product.box)
        patch = cut_patch(picture.pixels, (left, top, right, bottom))
    return _Cut(picture.width, picture.height, seen, quality, patch)
