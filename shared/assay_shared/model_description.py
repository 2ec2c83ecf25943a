"""`model.json`: what a model version says of itself. Needs no torch, for the verify API reads it too."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from assay_shared.wire import Annotation, LabelName, LabelRole, Sha256, Shortage

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
    """How well one label is found on the held-out split, at its threshold; None where it has no box there.

    Each figure with the ends of its 95 % interval; None also in versions older than these fields.
    """

    model_config = ConfigDict(frozen=True)

    average_precision50: float | None
    average_precision50_low: float | None = None
    average_precision50_high: float | None = None
    precision: float | None
    precision_low: float | None = None
    precision_high: float | None = None
    recall: float | None
    recall_low: float | None = None
    recall_high: float | None = None
    boxes: int


class Metrics(BaseModel):
    """Figures of the held-out split, each with the ends of its 95 % interval: Wilson's for shares, a
    bootstrap over groups of near-duplicates for average precisions (None in versions older than the fields).

    `image_accuracy` counts pictures in which exactly the annotated labels were found. `folds` says into how
    many parts the pictures were dealt, each judged by thresholds of the others; None: by given thresholds, or
    by thresholds chosen on these very pictures, as older versions did.
    """

    model_config = ConfigDict(frozen=True)

    map50: float
    map50_low: float | None = None
    map50_high: float | None = None
    map50_95: float
    map50_95_low: float | None = None
    map50_95_high: float | None = None
    image_accuracy: float
    image_accuracy_low: float
    image_accuracy_high: float
    images: int
    groups: int | None = None
    folds: int | None = None
    per_label: dict[str, LabelMetrics]


class LiveComparison(BaseModel):
    """The figures of the version that was live, on the same pictures, and how the two differ there.

    `better` and `worse` count the groups of near-duplicates that the new version reads rightly more often, or
    less often, than the live one. `map50_change_low` and `_high` are the ends of the 95 % interval of mAP50,
    new less live, by a paired bootstrap over groups. None in versions older than these fields.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    metrics: Metrics
    better: int | None = None
    worse: int | None = None
    map50_change_low: float | None = None
    map50_change_high: float | None = None


class Disagreement(BaseModel):
    """A place where model and annotation disagree, most likely a mistake in the annotation.

    `missing_box`: the model is sure of something that nobody annotated. `wrong_label`: it sees `found` where
    `label` is annotated. `loose_box`: it sees the label, but its box overlaps the annotated one little.
    `needless_box`: it sees nothing of what is annotated. `confidence` is the model's (0: saw nothing),
    `overlap` the intersection over union, `rank` from 0 to 1, higher is more telling. `picture` is a PNG
    under `report/`: the annotated box is blue, the model's is orange.
    """

    model_config = ConfigDict(frozen=True)

    image: Sha256
    split: Literal["train", "val"]
    kind: Literal["missing_box", "wrong_label", "loose_box", "needless_box"]
    label: str | None
    found: str | None
    confidence: float
    overlap: float
    rank: float
    annotated_box: Annotation | None = None
    found_box: Annotation | None = None
    picture: str = ""


class ProductAppearance(BaseModel):
    """What was learnt of a product's appearance: `file` in the folder of the model version, None where
    nothing could be; of `photos` genuine ones `aligned` could be compared with each other. `reason` says why
    its print cannot be compared; with a file, the product is looked at as a whole, which is weaker."""

    model_config = ConfigDict(frozen=True)

    file: str | None
    reason: str = ""
    photos: int
    aligned: int


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
    warnings: list[Shortage] = Field(default_factory=list, description="what the photos lack")
    disagreements: list[Disagreement] = Field(
        default_factory=list, description="annotations to look at again, the most telling first"
    )
    base_weights: dict[str, str] = Field(description="name and sha256 of what the training began from")
    options: dict[str, Any] = Field(default_factory=dict)
    appearance: dict[str, ProductAppearance] | None = Field(
        default=None, description="by product label; null in versions older than the check"
    )
    created_at: datetime
    files: dict[str, Sha256]

    def label_names(self, role: LabelRole) -> list[str]:
        """The names of the labels of a role."""
        return [label.name for label in self.labels if label.role is role]
