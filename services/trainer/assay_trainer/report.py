"""The report of a run: curves, confusion matrix and sample detections, as PNG and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from assay_shared.detector.overlap import measure_overlap
from assay_shared.model_description import ModelDescription
from assay_shared.wire import Progress
from assay_trainer.evaluation import Evaluation, read_picture
from assay_trainer.reading import find_sure

SAMPLES = 8
MATCH = 0.5
"""Overlap from which a detection and a true box are the same thing in the confusion matrix."""

mpl.use("agg")

Counts = npt.NDArray[np.int64]


def write_report(
    folder: Path,
    description: ModelDescription,
    history: Sequence[Progress],
    evaluation: Evaluation,
    images: Path,
) -> None:
    """Writes `report.json`, `curves.png`, `confusion.png` and `samples.png` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [label.name for label in description.labels]
    confusion = count_confusions(evaluation, names)
    report = {
        "metrics": description.metrics.model_dump(),
        "thresholds": evaluation.thresholds,
        "warnings": [warning.model_dump() for warning in description.warnings],
        "disagreements": [one.model_dump() for one in description.disagreements],
        "history": [progress.model_dump() for progress in history],
        "confusion": {"labels": [*names, "nothing"], "rows_are_true": confusion.tolist()},
        "pictures": [item.sha256 for item in evaluation.items],
        "read_right": evaluation.right,
    }
    (folder / "report.json").write_text(json.dumps(report, indent=2))
    _draw_curves(folder / "curves.png", history)
    _draw_confusion(folder / "confusion.png", confusion, [*names, "nothing"])
    _draw_samples(folder / "samples.png", evaluation, names, images)


def count_confusions(evaluation: Evaluation, names: list[str]) -> Counts:
    """How often each true label (row) was detected as each label (column), above the thresholds that each
    picture was judged by; the last row and column are "nothing"."""
    counts = np.zeros((len(names) + 1, len(names) + 1), np.int64)
    nothing = len(names)
    for found, used in zip(evaluation.judged, evaluation.judged_by, strict=True):
        kept = find_sure(found, names, used)
        overlap = measure_overlap(found.true_boxes, found.boxes[kept])
        free = set(range(int(kept.sum())))
        for row, true in enumerate(found.true_labels):
            place = min(int(true), nothing)
            column = max(free, key=lambda column: overlap[row, column], default=None)
            if column is None or overlap[row, column] < MATCH:
                counts[place, nothing] += 1
                continue
            free.remove(column)
            counts[place, int(found.labels[kept][column])] += 1
        for column in free:
            counts[nothing, int(found.labels[kept][column])] += 1
    return counts


def _draw_curves(path: Path, history: Sequence[Progress]) -> None:
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name in sorted({name for progress in history for name in progress.losses}):
        shown = [progress for progress in history if name in progress.losses]
        left.plot([entry.epoch for entry in shown], [entry.losses[name] for entry in shown], label=name)
    left.set(xlabel="epoch", title="loss")
    if left.lines:
        left.legend()
    measured = [(entry.epoch, entry.map50) for entry in history if entry.map50 is not None]
    right.plot([epoch for epoch, _ in measured], [value for _, value in measured])
    right.set(xlabel="epoch", title="mAP50 on the held-out pictures", ylim=(0, 1.02))
    figure.savefig(path, dpi=110)


def _draw_confusion(path: Path, counts: Counts, names: list[str]) -> None:
    figure = Figure(figsize=(1.6 + 0.8 * len(names), 1.2 + 0.7 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(counts, cmap="Greens")
    for row in range(len(names)):
        for column in range(len(names)):
            axes.text(column, row, str(counts[row, column]), ha="center", va="center")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="detected", ylabel="true")
    figure.savefig(path, dpi=110)


def _draw_samples(path: Path, evaluation: Evaluation, names: list[str], images: Path) -> None:
    chosen = list(zip(evaluation.items, evaluation.judged, evaluation.judged_by, strict=True))[:SAMPLES]
    figure = Figure(figsize=(12, 3.2 * max(1, -(-len(chosen) // 4))), layout="constrained")
    grid = figure.subplots(max(1, -(-len(chosen) // 4)), 4, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, (item, found, used) in zip(grid.flat, chosen, strict=False):
        axes.imshow(read_picture(images, item))
        kept = find_sure(found, names, used)
        for box, confidence, label in zip(
            found.boxes[kept], found.confidences[kept], found.labels[kept], strict=True
        ):
            left, top, right, bottom = (float(edge) for edge in box)
            colour = f"C{label % 10}"
            axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, ec=colour, lw=1.5))
            axes.text(
                left,
                top,
                f"{names[label]} {confidence:.2f}",
                fontsize=7,
                color="white",
                backgroundcolor=colour,
            )
    figure.savefig(path, dpi=90)
