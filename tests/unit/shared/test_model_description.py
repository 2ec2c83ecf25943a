"""`model.json` of versions that were stored before a field was there."""

from __future__ import annotations

import json

from assay_shared.model_description import ModelDescription
from assay_shared.wire import BrandSettings, DatasetManifest

FIGURES = {
    "map50": 0.9,
    "map50_95": 0.7,
    "image_accuracy": 0.9,
    "image_accuracy_low": 0.6,
    "image_accuracy_high": 0.98,
    "images": 12,
    "per_label": {"carton": {"average_precision50": 0.9, "precision": 1.0, "recall": 0.9, "boxes": 12}},
}
OLD = {
    "format": 1,
    "brand": "acme",
    "version": "v1",
    "run": "run_1",
    "dataset_version": "data_1",
    "architecture": "yolov5nu",
    "image_size": 640,
    "labels": [{"index": 0, "name": "carton", "role": "product", "threshold": 0.4}],
    "required_marks": {},
    "metrics": FIGURES,
    "live_comparison": {"version": "v0", "metrics": FIGURES},
    "base_weights": {"name": "yolov5nu.safetensors"},
    "created_at": "2026-10-01T12:00:00Z",
    "files": {},
}


def test_a_description_without_intervals_is_read_as_one_that_has_none() -> None:
    description = ModelDescription.model_validate_json(json.dumps(OLD))
    assert description.metrics.map50_low is None
    assert description.metrics.folds is None
    assert description.metrics.per_label["carton"].recall_low is None
    assert description.live_comparison is not None
    assert description.live_comparison.worse is None
    assert description.warnings == []
    assert description.disagreements == []


def test_stored_settings_and_dataset_versions_need_no_migration() -> None:
    stored = {"gate": {"min_map50": 0.7, "min_image_accuracy": 0.9, "max_map50_drop": 0.03}}
    gate = BrandSettings.model_validate(stored).gate
    assert (gate.min_map50, gate.min_image_accuracy, gate.max_uncertainty) == (0.7, 0.9, 0.3)
    picture = {"sha256": "a" * 64, "extension": "jpg", "width": 4, "height": 3, "split": "val"}
    manifest = DatasetManifest.model_validate(
        {"id": "d", "brand": "acme", "labels": [], "products": [], "items": [{**picture, "annotations": []}]}
    )
    assert manifest.items[0].group is None
    assert manifest.warnings == []
