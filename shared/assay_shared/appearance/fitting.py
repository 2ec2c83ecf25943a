"""A product's appearance learnt from its genuine photos, and calibrated on photos that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from assay_shared.appearance.alignment import Aligned, align_patch
from assay_shared.appearance.building import Sources, build_reference, read_sources
from assay_shared.appearance.measures import Measures, measure
from assay_shared.appearance.merging import merge
from assay_shared.appearance.model import LEAST_COVERED, AppearanceModel, Limits, compare, find_conditions
from assay_shared.appearance.patches import Patch
from assay_shared.appearance.reference import Reference, make_reference
from assay_shared.appearance.significance import KnownCounterfeits, fit_significance
from assay_shared.appearance.statistics import LEADS, Statistics, fit_statistics, score_left_out
from assay_shared.appearance.threads import map_on_cores
from assay_shared.appearance.whole import LEAST_DENSITY_SHARE, WholeModel, fit_whole

REFERENCE_FOLDS, STATISTICS_FOLDS = 5, 15
"""In how many parts photos are left out of references, and of statistics. A reference of four photos in five
is nearly that of all. Statistics of four in five know less of how far genuine photos go than those of all,
which a new photo meets, and would find the photos left out further off (ARCHITECTURE.md has the figures).
"""
LEAST_PHOTOS = 15
"""Genuine photos under which nothing is fitted: a p-value cannot come below 1 in as many, but by a tail that
they do not know."""
LEAST_ALIGNED_SHARE = 0.7


@dataclass(frozen=True)
class Fit:
    """A model, or the reason why there is none, and then `whole`, a weaker one, if the photos are enough for
    that; how many photos were aligned, of how many."""

    model: AppearanceModel | None
    reason: str
    photos: int
    aligned: int
    whole: WholeModel | None = None


def fit_appearance(
    patches: Sequence[Patch], groups: Sequence[str] | None = None, known: Sequence[Patch] = ()
) -> Fit:
    """Fits the appearance of a product to patches of its genuine photos; as a whole where they share no print
    to align by.

    `groups`: near-duplicates share a name, and a fold. `known`: patches of known counterfeits, which sharpen
    the judgement of a print where there are some, and are not needed.
    """
    names = list(groups) if groups else [str(place) for place in range(len(patches))]
    fit = _fit_aligned(patches, names, known)
    if fit.model is not None or len(set(names)) < LEAST_PHOTOS:
        return fit
    return replace(fit, whole=fit_whole(patches, names))


def _fit_aligned(patches: Sequence[Patch], groups: Sequence[str], known: Sequence[Patch]) -> Fit:
    """Fits the print that the photos share.

    Whatever has seen a photo is left out for it: it is measured against a reference made without its fold,
    scored by statistics made without it and a few others, and standardised by the others' scores. What a new
    photo meets is made of all, as a little better version of the same (cross-conformal prediction, Vovk
    2015).
    """
    count = len(patches)
    if count < LEAST_PHOTOS:
        return Fit(None, f"{count} genuine photos; at least {LEAST_PHOTOS} are needed", count, 0)
    sources = read_sources(patches)
    built = build_reference(sources)
    if built is None:
        return Fit(None, "its photos share no print by which they could be aligned", count, 0)
    reference, aligned = built
    kept = [i for i in range(count) if aligned[i] is not None]
    if len(kept) < max(LEAST_PHOTOS, LEAST_ALIGNED_SHARE * count):
        reason = f"only {len(kept)} of {count} photos could be aligned: there is too little print"
        return Fit(None, reason, count, len(kept))
    names = [groups[i] for i in kept]
    found = _measure_out_of_fold(sources, aligned, kept, _deal(names, REFERENCE_FOLDS), reference)
    places = [place for place, one in enumerate(found) if one is not None]
    measured = [one for one in found if one is not None]
    if len(measured) < LEAST_PHOTOS:
        return Fit(None, "its photos cannot be compared with one another reliably", count, len(measured))
    names = [names[place] for place in places]
    scores = score_left_out(measured, _deal(names, STATISTICS_FOLDS))
    conditions = np.stack([find_conditions(one) for one in measured])
    statistics, limits = fit_statistics(measured), _find_limits(measured)
    counterfeits = _score_known(known, reference, statistics, limits)
    significance = fit_significance(scores, conditions, LEADS, names, counterfeits)
    model = AppearanceModel(reference, statistics, significance, limits)
    return Fit(model, "", count, len(measured))


def _deal(groups: Sequence[str], folds: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """A fold for each photo; groups stay together and are dealt in turn."""
    order = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    return np.array([order[group] % folds for group in groups], np.int64)


def _measure_out_of_fold(
    sources: Sources,
    aligned: Sequence[Aligned | None],
    kept: Sequence[int],
    folds: np.ndarray[tuple[int], np.dtype[np.int64]],
    reference: Reference,
) -> list[Measures | None]:
    """Each kept photo measured against the reference that the other folds make."""
    without = {}
    for k in np.unique(folds):
        others = [one for i, own in zip(kept, folds, strict=True) if own != k and (one := aligned[i])]
        pixels, alike = merge(others, reference.mask)
        mask = alike & reference.mask if reference.frame.relief.any() else alike
        without[k] = make_reference(pixels, mask, alike, reference.frame.relief, reference.frame.modes)
    return map_on_cores(lambda place: _measure(sources, kept[place], without[folds[place]]), range(len(kept)))


def _measure(sources: Sources, place: int, reference: Reference) -> Measures | None:
    patch = sources.patches[place]
    aligned = align_patch(patch, reference.frame, sources.keypoints[place])
    measured = None if aligned is None else measure(aligned, patch, reference)
    # A new photo that hides as much is not judged, so what this one shows says nothing of those that are.
    return measured if measured is not None and measured.covered >= LEAST_COVERED else None


def _score_known(
    patches: Sequence[Patch], reference: Reference, statistics: Statistics, limits: Limits
) -> KnownCounterfeits | None:
    """How known counterfeits score whose print can be compared as a new photo's is; None without one."""
    found = [one for patch in patches if (one := compare(patch, reference, limits)) is not None]
    compared = [measured for _, measured in found if measured.covered >= LEAST_COVERED]
    if not compared:
        return None
    return KnownCounterfeits(
        statistics.score_all(compared), np.stack([find_conditions(one) for one in compared])
    )


def _find_limits(measured: Sequence[Measures]) -> Limits:
    """Somewhat beyond what the genuine photos are like."""
    density = np.array([one.density for one in measured])
    soft = np.array([one.softness[0] for one in measured])
    soft = soft[np.isfinite(soft)]
    return Limits(
        density=LEAST_DENSITY_SHARE * float(density.min()),
        softness=1.25 * float(soft.max()) if len(soft) else np.inf,
        agreement=0.7 * min(one.agreement for one in measured),
    )
