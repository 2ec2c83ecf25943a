"""A product's appearance learnt from its genuine photos, and calibrated on photos that it has not seen."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from assay_shared.appearance.alignment import Aligned, align_patch
from assay_shared.appearance.calibration import Calibration, calibrate
from assay_shared.appearance.measures import Measures, measure
from assay_shared.appearance.model import AppearanceModel, Limits, join
from assay_shared.appearance.patches import Patch
from assay_shared.appearance.reference import Reference, build_reference, make_reference, merge, read_sources
from assay_shared.appearance.statistics import CAUSES, fit_statistics

FOLDS = 5
LEAST_PHOTOS = 15
"""Genuine photos under which nothing is fitted: a p-value cannot come below 1 in as many, but by a tail that
they do not know."""
LEAST_ALIGNED_SHARE = 0.7


@dataclass(frozen=True)
class Fit:
    """A model, or the reason why there is none; how many photos were aligned, of how many; the p-values of
    the genuine photos, each judged by what has not seen it."""

    model: AppearanceModel | None
    reason: str
    photos: int
    aligned: int
    p_values: tuple[float, ...] = ()


def fit_appearance(patches: Sequence[Patch], groups: Sequence[str] | None = None) -> Fit:
    """Fits the appearance of a product to patches of its genuine photos.

    `groups`: near-duplicates share a name, and a fold.

    Whatever has seen a photo is left out for it: it is measured against a reference made without its fold,
    scored by statistics of the other folds, and joined by calibrations of the others' scores. What a new
    photo meets is made of all, as a little better version of the same (cross-conformal prediction, Vovk
    2015).
    """
    count = len(patches)
    if count < LEAST_PHOTOS:
        return Fit(None, f"{count} genuine photos; at least {LEAST_PHOTOS} are needed", count, 0)
    built = build_reference(read_sources(patches))
    if built is None:
        return Fit(None, "its photos share no print by which they could be aligned", count, 0)
    reference, aligned = built
    kept = [i for i in range(count) if aligned[i] is not None]
    if len(kept) < max(LEAST_PHOTOS, LEAST_ALIGNED_SHARE * count):
        reason = f"only {len(kept)} of {count} photos could be aligned: there is too little print"
        return Fit(None, reason, count, len(kept))
    folds = _deal([groups[i] if groups else str(i) for i in kept])
    found = _measure_out_of_fold(patches, aligned, kept, folds, reference)
    places = [place for place, one in enumerate(found) if one is not None]
    measured = [one for one in found if one is not None]
    if len(measured) < LEAST_PHOTOS:
        return Fit(None, "its photos cannot be aligned to one another reliably", count, len(measured))
    fold = folds[places]
    scores = np.zeros((len(measured), len(CAUSES)))
    for k in np.unique(fold):
        statistics = fit_statistics([one for one, own in zip(measured, fold, strict=True) if own != k])
        for i in np.flatnonzero(fold == k):
            own = statistics.score(measured[i])
            scores[i] = [own[cause] for cause in CAUSES]
    joint = np.zeros(len(measured))
    for k in np.unique(fold):
        others = _calibrate(scores[fold != k])
        for i in np.flatnonzero(fold == k):
            joint[i] = join([others[c].p_value(v) for c, v in zip(CAUSES, scores[i], strict=True)])
    model = AppearanceModel(
        reference, fit_statistics(measured), _calibrate(scores), calibrate(joint), _find_limits(measured)
    )
    p_values = tuple(calibrate(np.delete(joint, i)).p_value(joint[i]) for i in range(len(joint)))
    return Fit(model, "", count, len(measured), p_values)


def _deal(groups: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A fold for each photo; groups stay together and are dealt in turn."""
    order = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    return np.array([order[group] % FOLDS for group in groups], np.int64)


def _measure_out_of_fold(
    patches: Sequence[Patch],
    aligned: Sequence[Aligned | None],
    kept: Sequence[int],
    folds: np.ndarray[tuple[int], np.dtype[np.int64]],
    reference: Reference,
) -> list[Measures | None]:
    """Each kept photo measured against the reference that the other folds make."""
    found: list[Measures | None] = [None] * len(kept)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        waiting = {}
        for k in np.unique(folds):
            others = [one for i, own in zip(kept, folds, strict=True) if own != k and (one := aligned[i])]
            without = make_reference(*merge(others, reference.mask), reference.frame.modes)
            for place in map(int, np.flatnonzero(folds == k)):
                waiting[place] = pool.submit(_measure, patches[kept[place]], without)
        for place, task in waiting.items():
            found[place] = task.result()
    return found


def _measure(patch: Patch, reference: Reference) -> Measures | None:
    aligned = align_patch(patch, reference.frame)
    return None if aligned is None else measure(aligned, patch, reference)


def _calibrate(scores: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> dict[str, Calibration]:
    return {cause: calibrate(column) for cause, column in zip(CAUSES, scores.T, strict=True)}


def _find_limits(measured: Sequence[Measures]) -> Limits:
    """Somewhat beyond what the genuine photos are like."""
    density = np.array([one.density for one in measured])
    soft = np.array([one.softness[0] for one in measured])
    soft = soft[np.isfinite(soft)]
    return Limits(
        density=0.8 * float(density.min()),
        softness=1.25 * float(soft.max()) if len(soft) else np.inf,
        agreement=0.7 * min(one.agreement for one in measured),
    )
