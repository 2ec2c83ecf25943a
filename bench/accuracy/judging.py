"""What serving measures in a brand's photos, kept: how its checks rule on it is asked anew each time.

The appearance is fitted to training photos and asked about all others by the code that the verify API's
workers run. Results are named by the sources of that code and by the boxes.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import torch
from pydantic import BaseModel, ConfigDict

import assay_inference.appearance_workers
import assay_inference.quality
import assay_inference.recapture
import assay_shared.appearance
import assay_shared.reduction
import bench.accuracy.cutting
from assay_inference.appearance_workers import Appearance, judge_patch
from assay_inference.checks.evidence import Seen
from assay_inference.quality import Quality
from assay_shared.appearance.fitting import fit_appearance
from assay_shared.wire import TrainingOptions
from assay_trainer.appearances import pack_fit
from bench.accuracy.cutting import cut_learnt, cut_tested
from bench.accuracy.detectors import Detections
from bench.accuracy.embedding import Neighbours
from bench.accuracy.kept import KEY, find_source, hash_sources, keep
from bench.accuracy.photos import TESTED, TRAIN, list_photos, read_roles

SOURCES = hash_sources(
    *map(
        find_source,
        (
            assay_shared.appearance,
            assay_shared.reduction,
            assay_inference.appearance_workers,
            assay_inference.quality,
            assay_inference.recapture,
            bench.accuracy.cutting,
        ),
    )
)
"""Of the code as it was imported: files may change under a run of hours."""


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
    """Of one brand: how its appearance was fitted (`reason` where it was not), the pixels of a detector's
    frame, and all photos by name."""

    model_config = ConfigDict(ser_json_inf_nan="constants")

    seconds: float
    reason: str
    photos: int
    aligned: int
    bytes: int
    by_detector: bool
    image_size: int
    required_marks: dict[str, list[str]]
    measured: dict[str, Measured]


def find_results(
    folder: Path, kept: Path, train: int, detections: Detections | None, share: float = 1.0
) -> Results | None:
    """What was kept of a brand, its tested photos shrunk to a share; None where it is to be measured yet."""
    path = _name(_place(folder, kept, train, detections), share)
    return Results.model_validate_json(path.read_bytes()) if path.exists() else None


def find_fit(folder: Path, kept: Path, train: int, detections: Detections | None) -> Path:
    """The file of the appearance that a brand's photos were judged by; it need not be there."""
    place = _place(folder, kept, train, detections)
    return place.with_name(place.name + ".safetensors")


def measure_once(
    folder: Path, kept: Path, train: int, detections: Detections | None, shares: Sequence[float]
) -> None:
    """Measures a brand's photos, and shrunk to these shares, and keeps what was found, unless that was done
    before."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    place = _place(folder, kept, train, detections)
    model = find_fit(folder, kept, train, detections)
    whole = find_results(folder, kept, train, detections)
    if whole is None:
        started = time.monotonic()
        whole = _measure_brand(folder, model, train, detections)
        keep(_name(place, 1.0), whole.model_dump_json().encode())
        print(f"{folder.name}: measured in {time.monotonic() - started:.0f} s", flush=True)
    for share in shares:
        if find_results(folder, kept, train, detections, share) is None:
            fitted = model if whole.bytes else None
            measured = _measure_tested(folder, fitted, detections, None, share)
            shrunk = whole.model_copy(update={"measured": measured})
            keep(_name(place, share), shrunk.model_dump_json().encode())


def _place(folder: Path, kept: Path, train: int, detections: Detections | None) -> Path:
    boxes = "annotated"
    if detections is not None:
        boxes = "detector-" + hashlib.sha256(detections.model_dump_json().encode()).hexdigest()[:KEY]
    return kept / "measured" / SOURCES / f"{folder.name}-{train}-{boxes}"


def _name(place: Path, share: float) -> Path:
    return place.with_name(f"{place.name}{'' if share == 1 else f'-shrunk-{share:g}'}.json")


def _measure_brand(folder: Path, model: Path, train: int, detections: Detections | None) -> Results:
    patches = [cut_learnt(photo, detections) for photo in list_photos(folder, (TRAIN,), train)]
    started = time.perf_counter()
    fit = fit_appearance(patches)
    seconds = time.perf_counter() - started
    packed = pack_fit(fit)
    if packed is not None:
        keep(model, packed)
    fitted = model if packed is not None else None
    return Results(
        seconds=round(seconds, 1),
        reason=fit.reason,
        photos=fit.photos,
        aligned=fit.aligned,
        bytes=model.stat().st_size if fitted else 0,
        by_detector=detections is not None,
        image_size=(detections.options if detections is not None else TrainingOptions()).image_size,
        required_marks=detections.required_marks if detections is not None else {},
        measured=_measure_tested(folder, fitted, detections, Neighbours(patches)),
    )


def _measure_tested(
    folder: Path,
    model: Path | None,
    detections: Detections | None,
    neighbours: Neighbours | None,
    share: float = 1.0,
) -> dict[str, Measured]:
    """All photos but those learnt from, shrunk to a share, by name."""
    roles = read_roles(folder)
    measured = {}
    for photo in list_photos(folder, TESTED):
        cut = cut_tested(photo, detections, roles, share)
        appearance, likeness, spent = None, float("nan"), 0.0
        if cut.patch is not None and neighbours is not None:
            likeness = neighbours.find_likeness(cut.patch)
        if cut.patch is not None and model is not None:
            begun = time.perf_counter()
            appearance = replace(judge_patch(str(model), cut.patch), sketch=b"")
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
    return measured
