"""`model.json`: what a model version says of itself. Needs no torch, for the verify API reads it too."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from assay_shared.wire import LabelName, LabelRole, Sha256

WEIGHTS_FILE = "model.safetensors"
DESCRIPTION_FILE = "model.json"


class ModelLabel(BaseModel):
    """One label of a model; its `index` is the detector's class, `threshold` the confidence that counts."""

    model_config = ConfigDict(frozen=True)

    index: int
    name: LabelName
    role: LabelRole
    threshold: float = Field(ge=0, le=1)


class LabelMetrics(BaseModel):
    """How well one label is found on the held-out split, at its threshold; None where it has no box there."""

    model_config = ConfigDict(frozen=True)

    average_precision50: float | None
    precision: float | None
    recall: float | None
    boxes: int


class Metrics(BaseModel):
    """Figures of the held-out split. `image_accuracy` counts pictures in which exactly the annotated labels
    were found; its interval is Wilson's, 95 %."""

    model_config = ConfigDict(frozen=True)

    map50: float
    map50_95: float
    image_accuracy: float
    image_accuracy_low: float
    image_accuracy_high: float
    images: int
    per_label: dict[str, LabelMetrics]


class LiveComparison(BaseModel):
    """The figures of the version that was live, on the same split."""

    model_config = ConfigDict(frozen=True)

    version: str
    metrics: Metrics


class ModelDescription(BaseModel):
    """The whole of `model.json`. `files` holds the SHA-256 of every other file of the folder, by its path."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    brand: str
    version: str
    run: str
    dataset_version: str
    architecture: str
    image_size: int = Field(ge=32, multiple_of=32)
    labels: list[ModelLabel]
    required_marks: dict[str, list[str]] = Field(
        description="by product label: the marks that nearly all its genuine training pictures show"
    )
    metrics: Metrics
    live_comparison: LiveComparison | None = None
    base_weights: dict[str, str] = Field(description="name and sha256 of what the training began from")
    options: dict[str, Any] = Field(default_factory=dict)
    appearance: dict[str, Any] | None = None
    created_at: datetime
    files: dict[str, Sha256]

    def label_names(self, role: LabelRole) -> list[str]:
        """The names of the labels of a role."""
        return [label.name for label in self.labels if label.role is role]
