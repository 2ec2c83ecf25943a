"""From a trained model to the folder of a model version: weights, report, and `model.json` last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay_shared.detector.architecture import fold_batch_norms
from assay_shared.detector.detector import Detector
from assay_shared.detector.weights import hash_file, save_weights
from assay_shared.ids import utc_now
from assay_shared.likeness import name_group
from assay_shared.model_description import (
    DESCRIPTION_FILE,
    WEIGHTS_FILE,
    Disagreement,
    LiveComparison,
    ModelDescription,
    ModelLabel,
)
from assay_shared.wire import DatasetItem, Progress
from assay_trainer.appearances import fit_appearances
from assay_trainer.bootstrap import find_interval
from assay_trainer.disagreement_pictures import draw_disagreements
from assay_trainer.disagreements import find_disagreements
from assay_trainer.evaluation import Evaluation, detect_picture, evaluate_detector
from assay_trainer.job import Job
from assay_trainer.matching import Found
from assay_trainer.reading import find_required_marks
from assay_trainer.report import write_report


def package_model(
    job: Job, model: Any, history: Sequence[Progress], base_weights: dict[str, str]
) -> ModelDescription:
    """Folds, saves, evaluates and describes a trained DetectionModel in `job.folder`.

    What is evaluated is the saved file, read back as serving will read it.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    weights = job.folder / WEIGHTS_FILE
    save_weights(fold_batch_norms(model), weights)
    held_out = [item for item in job.dataset.items if item.split == "val"]
    detector = Detector(job.options.architecture, len(job.dataset.labels), weights)
    evaluation = evaluate_detector(detector, job.dataset.labels, held_out, job.images, job.options.image_size)
    report = job.folder / "report"
    learnt = [item for item in job.dataset.items if item.split == "train"]
    names = [label.name for label in job.dataset.labels]
    # The held-out pictures have been looked at already.
    found = [detect_picture(detector, item, job.images, job.options.image_size, names) for item in learnt]
    items, seen = [*learnt, *evaluation.items], [*found, *evaluation.found]
    description = ModelDescription(
        brand=job.brand,
        version=job.version,
        run=job.run,
        dataset_version=job.dataset.id,
        architecture=job.options.architecture,
        image_size=job.options.image_size,
        labels=[
            ModelLabel(
                index=index, name=label.name, role=label.role, threshold=evaluation.thresholds[label.name]
            )
            for index, label in enumerate(job.dataset.labels)
        ],
        required_marks=find_required_marks(job.dataset),
        metrics=evaluation.metrics,
        live_comparison=_compare_live(job, evaluation),
        warnings=job.dataset.warnings,
        disagreements=_list_disagreements(job, items, seen, evaluation, report),
        appearance=fit_appearances(job, items, seen),
        base_weights=base_weights,
        options=job.options.model_dump(),
        created_at=utc_now(),
        files={},
    )
    write_report(report, description, history, evaluation, job.images)
    description = description.model_copy(update={"files": _hash_files(job.folder)})
    (job.folder / DESCRIPTION_FILE).write_text(description.model_dump_json(indent=2))
    return description


def compare_evaluations(version: str, live: Evaluation, new: Evaluation) -> LiveComparison:
    """How a new version and the live one, `version`, differ on the same pictures."""
    ahead: dict[str, int] = {}
    for item, was_right, is_right in zip(new.items, live.right, new.right, strict=True):
        group = name_group(item)
        ahead[group] = ahead.get(group, 0) + is_right - was_right
    low, high = find_interval(new.map50_draws - live.map50_draws)
    return LiveComparison(
        version=version,
        metrics=live.metrics,
        better=sum(score > 0 for score in ahead.values()),
        worse=sum(score < 0 for score in ahead.values()),
        map50_change_low=low,
        map50_change_high=high,
    )


def _compare_live(job: Job, evaluation: Evaluation) -> LiveComparison | None:
    """The live version on the same pictures, with its own thresholds."""
    if job.live_folder is None:
        return None
    live = ModelDescription.model_validate_json((job.live_folder / DESCRIPTION_FILE).read_bytes())
    detector = Detector(live.architecture, len(live.labels), job.live_folder / WEIGHTS_FILE)
    thresholds = {label.name: label.threshold for label in live.labels}
    before = evaluate_detector(
        detector, live.labels, evaluation.items, job.images, live.image_size, thresholds
    )
    return compare_evaluations(live.version, before, evaluation)


def _list_disagreements(
    job: Job, items: list[DatasetItem], found: list[Found], evaluation: Evaluation, report: Path
) -> list[Disagreement]:
    disagreements = find_disagreements(items, found, job.dataset.labels, evaluation.thresholds)
    return draw_disagreements(report, disagreements, {item.sha256: item for item in items}, job.images)


def _hash_files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hash_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != DESCRIPTION_FILE
    }
