"""The figures of a model on pictures, each with its 95 % interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay_shared.intervals import share_interval
from assay_shared.model_description import LabelMetrics, Metrics
from assay_trainer.bootstrap import average_precisions, draw_groups, find_interval
from assay_trainer.matching import IOU_LEVELS, Found, average_precision, match
from assay_trainer.reading import Thresholds, find_sure


@dataclass(frozen=True)
class _Precision:
    """One label's average precision at every overlap level, and the same in every draw (draws, levels)."""

    levels: list[float]
    draws: npt.NDArray[np.float64]


def measure_figures(
    found: list[Found],
    judged: list[Found],
    judged_by: list[Thresholds],
    right: list[bool],
    groups: list[str],
    known: list[str],
) -> tuple[Metrics, npt.NDArray[np.float64]]:
    """The figures, and mAP50 in every draw of the bootstrap: (draws,).

    Of each picture: all that was found in it, what of that is judged, the thresholds it is judged by, whether
    it was read as annotated, and its group of near-duplicates. `known` are the labels by index.
    """
    precisions = _measure_precisions(found, known, groups)
    draws = _average(list(precisions.values()))
    levels = [one.levels for one in precisions.values()]
    map50_low, map50_high = _find_interval(draws[:, 0], groups)
    map50_95_low, map50_95_high = _find_interval(draws.mean(1), groups)
    # Labels do not compete for true boxes, so one matching serves them all.
    hits = [match(picture, IOU_LEVELS[:1])[:, 0] for picture in judged]
    low, high = share_interval(sum(right), len(right), len(set(groups)))
    metrics = Metrics(
        map50=float(np.mean([level[0] for level in levels])) if levels else 0.0,
        map50_low=map50_low,
        map50_high=map50_high,
        map50_95=float(np.mean(levels)) if levels else 0.0,
        map50_95_low=map50_95_low,
        map50_95_high=map50_95_high,
        image_accuracy=sum(right) / len(right) if right else 0.0,
        image_accuracy_low=low,
        image_accuracy_high=high,
        images=len(right),
        groups=len(set(groups)),
        per_label={
            name: _measure_label(index, precisions.get(index), known, groups, judged, judged_by, hits)
            for index, name in enumerate(known)
        },
    )
    return metrics, draws[:, 0]


def _measure_precisions(found: list[Found], known: list[str], groups: list[str]) -> dict[int, _Precision]:
    """By index of each label that occurs."""
    rights = np.concatenate([match(picture) for picture in found])
    confidences = np.concatenate([picture.confidences for picture in found])
    detected = np.concatenate([picture.labels for picture in found])
    picture_of = np.repeat(np.arange(len(found)), [len(picture.confidences) for picture in found])
    weights = draw_groups(groups)
    precisions = {}
    for index in range(len(known)):
        boxes = np.array([int((picture.true_labels == index).sum()) for picture in found])
        if not boxes.any():
            continue
        mine = detected == index
        levels = [
            average_precision(rights[mine, level], confidences[mine], int(boxes.sum()))
            for level in range(len(IOU_LEVELS))
        ]
        draws = average_precisions(
            rights[mine], confidences[mine], weights[:, picture_of[mine]], weights @ boxes
        )
        precisions[index] = _Precision(levels, draws)
    return precisions


def _average(precisions: list[_Precision]) -> npt.NDArray[np.float64]:
    """The mean over the labels that a draw shows: (draws, levels), NaN for one that shows none."""
    if not precisions:
        return np.full((1, len(IOU_LEVELS)), np.nan)
    every = np.stack([one.draws for one in precisions])
    shown = (~np.isnan(every)).sum(0)
    sums = np.nansum(every, 0)
    means: npt.NDArray[np.float64] = np.divide(sums, shown, out=np.full_like(sums, np.nan), where=shown > 0)
    return means


def _measure_label(
    index: int,
    precision: _Precision | None,
    known: list[str],
    groups: list[str],
    judged: list[Found],
    judged_by: list[Thresholds],
    right: list[npt.NDArray[np.bool_]],
) -> LabelMetrics:
    hits, kept, boxes = [], [], []
    for picture, used, matched in zip(judged, judged_by, right, strict=True):
        sure = find_sure(picture, known, used) & (picture.labels == index)
        hits.append(int(matched[sure].sum()))
        kept.append(int(sure.sum()))
        boxes.append(int((picture.true_labels == index).sum()))
    average = _find_interval(precision.draws[:, 0], groups) if precision else (None, None)
    exact = share_interval(sum(hits), sum(kept), _count_groups(groups, kept))
    complete = share_interval(sum(hits), sum(boxes), _count_groups(groups, boxes))
    return LabelMetrics(
        average_precision50=precision.levels[0] if precision else None,
        average_precision50_low=average[0],
        average_precision50_high=average[1],
        precision=sum(hits) / sum(kept) if sum(kept) else None,
        precision_low=exact[0] if sum(kept) else None,
        precision_high=exact[1] if sum(kept) else None,
        recall=sum(hits) / sum(boxes) if sum(boxes) else None,
        recall_low=complete[0] if sum(boxes) else None,
        recall_high=complete[1] if sum(boxes) else None,
        boxes=sum(boxes),
    )


def _count_groups(groups: Sequence[str], counts: Iterable[int]) -> int:
    return len({group for group, count in zip(groups, counts, strict=True) if count})


def _find_interval(draws: npt.NDArray[np.float64], groups: Sequence[str]) -> tuple[float, float]:
    """Of a single group every draw is the same, which says nothing."""
    return find_interval(draws) if len(set(groups)) > 1 else (0.0, 1.0)
