"""The records as they travel: the fields of the HTTP API (design, sections 3 and 11) in pydantic."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from assay_shared.auth import Scope

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")]
"""A brand's name in addresses and keys: lower-case letters, digits and inner hyphens, at most 63."""

LABEL_PATTERN = re.compile(r"^[^\x00-\x1f/\\]{1,100}$")


def _check_label(name: str) -> str:
    name = name.strip()
    if not LABEL_PATTERN.match(name):
        raise ValueError("a label has 1 to 100 characters, without slashes and control characters")
    return name


LabelName = Annotated[str, AfterValidator(_check_label)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
T = TypeVar("T")


class Wire(BaseModel):
    """Base of what travels: unknown fields are refused in requests (see `Request`), kept out of answers."""

    model_config = ConfigDict(frozen=True)


class Request(Wire):
    """Base of request bodies: an unknown field is an error, for it is a typing mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Page(Wire, Generic[T]):
    """One page of a list; `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None = None


# Brands, keys, products, labels


class Gate(Request):
    """What a model version must reach to go live: floors, and not worse than the live one beyond chance.

    A figure must reach its floor, and the lower end of its 95 % interval must lie at most `max_uncertainty`
    below it: with the defaults at .5. The lower end of Wilson's interval is .51 for 4 right pictures of 4,
    .44 for 3 of 3, .785 for 14 of 14, .60 for 12 of 14, .55 for 10 of 12, .47 for 9 of 12: few pictures do
    if all are right, and a model that is right every other time passes about once in 16 with 4 pictures,
    once in 50 with 12.
    """

    min_map50: float = Field(default=0.8, ge=0, le=1)
    min_image_accuracy: float = Field(default=0.8, ge=0, le=1)
    max_uncertainty: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="how far the lower end of a figure's 95 % interval may lie below the figure's floor",
    )
    max_map50_drop: float = Field(
        default=0.03,
        ge=0,
        le=1,
        description="against the live model on the same pictures; a larger drop counts if beyond chance",
    )
    max_image_accuracy_drop: float = Field(default=0.05, ge=0, le=1)


DOUBTED_SHARE = 0.02
INCONCLUSIVE_SHARE = 0.05
KeptPictures = Literal["none", "doubted", "all"]


class BrandSettings(Request):
    """A brand's settings; all have defaults."""

    gate: Gate = Gate()
    thresholds: dict[LabelName, Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=dict, description="overrides of the thresholds that the trainer chose, by label"
    )
    public_verification: bool = Field(default=False, description="anyone may verify, without a key")
    verification_retention_days: int = Field(default=365, ge=1, le=3650)
    doubted_share: float = Field(
        default=DOUBTED_SHARE,
        ge=0.001,
        le=0.2,
        description="share of genuine products that the brand is willing to see called counterfeit by their "
        "appearance",
    )
    inconclusive_share: float = Field(
        default=INCONCLUSIVE_SHARE,
        ge=0,
        le=0.3,
        description="share of genuine products, beside those, that the brand is willing to see left "
        "inconclusive by their appearance; 0: whatever is not called counterfeit passes",
    )
    min_images_per_label: int = Field(default=10, ge=2, le=1000)
    kept_pictures: KeptPictures = Field(
        default="none",
        description="which pictures of verifications are kept, sanitised, for review: none, doubted (verdict "
        "not genuine, or a score near the middle), or all",
    )
    kept_pictures_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="how long, but no longer than the verification itself; what entered a dataset version "
        "stays with it",
    )


class NewBrand(Request):
    """Body of `POST /v1/brands`."""

    slug: Slug
    name: str = Field(min_length=1, max_length=200)
    settings: BrandSettings = BrandSettings()


class BrandPatch(Request):
    """Body of `PATCH /v1/brands/{brand}`: what is given replaces what is there."""

    name: str | None = Field(default=None, min_length=1, max_length=200)
    settings: BrandSettings | None = None


class Brand(Wire):
    """A brand."""

    slug: str
    name: str
    settings: BrandSettings
    created_at: datetime


class NewKey(Request):
    """Body of `POST /v1/brands/{brand}/keys`."""

    name: str = Field(min_length=1, max_length=200)
    scopes: list[Scope] = Field(min_length=1)


class Key(Wire):
    """An API key; the key itself is in `key` once, when it is made."""

    id: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    key: str | None = None


class NewProduct(Request):
    """Body of `PUT …/products/{gtin}`."""

    name: str = Field(min_length=1, max_length=200)
    label: LabelName


class Product(Wire):
    """A product; `gtin` in its 14-digit form."""

    gtin: str
    name: str
    label: str


class LabelRole(StrEnum):
    """What a label stands for."""

    PRODUCT = "product"
    MARK = "mark"
    COUNTERFEIT = "counterfeit"


class NewLabel(Request):
    """Body of `PUT …/labels/{name}`."""

    role: LabelRole


class Label(Wire):
    """A class that the detector learns."""

    name: str
    role: LabelRole


# Uploads, images, annotations


class UploadedFile(Wire):
    """One file of an upload: `received` until it is ingested; a reason when quarantined."""

    name: str
    state: Literal["received", "accepted", "quarantined"]
    code: str | None = Field(default=None, description="stable slug of the reason")
    reason: str | None = None
    sha256: str | None = Field(default=None, description="of the sanitised image")


class Upload(Wire):
    """An upload: counts of its files by state, and the files that were refused, with reasons."""

    id: str
    created_at: datetime
    counts: dict[str, int]
    files: list[UploadedFile]


class Annotation(Wire):
    """One bounding box: a label, and absolute pixels of the upright picture."""

    label: str
    left: float
    top: float
    width: float
    height: float


Truth = Literal["genuine", "counterfeit"]
"""What a person says that a picture shows, whatever the verdict was."""


class Image(Wire):
    """An image of a brand. State `kept`: the picture of a verification, which waits for its review and is not
    learnt from. `truth` is what a review, or the brand, says that the whole image shows; null: nothing said,
    so genuine unless a box of a label with the role `counterfeit` tells otherwise."""

    sha256: str
    extension: str
    width: int
    height: int
    state: Literal["kept", "received", "accepted", "quarantined"]
    code: str | None = None
    reason: str | None = None
    upload: str
    name: str
    near_duplicate_of: str | None = None
    split: Literal["train", "val"] | None = Field(default=None, description="the brand's own split")
    truth: Truth | None = None
    annotations: list[Annotation] | None = None
    created_at: datetime


class ImagePatch(Request):
    """Body of `PATCH …/images/{sha256}`: `truth` replaces what is there; null takes it away."""

    truth: Truth | None


# Training


class TrainingOptions(Request):
    """What a run may change of the trainer's defaults (design, section 6)."""

    architecture: Literal["yolov5nu", "yolov5su"] = "yolov5nu"
    image_size: int = Field(default=640, ge=64, le=1280, multiple_of=32)
    epochs: int | None = Field(
        default=None, ge=1, le=1000, description="null: chosen by the trainer, by its device and the photos"
    )
    batch: int | None = Field(default=None, ge=1, le=256, description="null: chosen by the trainer")
    freeze: int = Field(default=10, ge=0, le=23, description="layers of the backbone that stay as they are")
    learning_rate: float = Field(default=0.002, gt=0, le=0.1)
    seed: int = Field(default=1, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _drop_patience(cls, given: object) -> object:
        # An option of former versions, which stored runs and older clients still name. A run that stops, or
        # keeps an epoch, by the held-out photos flatters the figures that they give.
        if isinstance(given, dict):
            return {name: value for name, value in given.items() if name != "patience"}
        return given


class NewTrainingRun(Request):
    """Body of `POST …/training-runs`."""

    options: TrainingOptions = TrainingOptions()


class RunState(StrEnum):
    """The states of a training run, in their order."""

    QUEUED = "queued"
    PREPARING = "preparing"
    TRAINING = "training"
    EVALUATING = "evaluating"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE_STATES = (RunState.QUEUED, RunState.PREPARING, RunState.TRAINING, RunState.EVALUATING)


class Progress(Wire):
    """How far a run is. Losses by name (`box`, `cls`, `dfl`); one that is not finite is left out, for JSON
    has no word for it."""

    epoch: int = 0
    epochs: int = 0
    losses: dict[str, float] = Field(default_factory=dict)
    map50: float | None = None
    seconds_left: float | None = None

    @field_validator("losses")
    @classmethod
    def _keep_finite(cls, losses: dict[str, float]) -> dict[str, float]:
        return {name: loss for name, loss in losses.items() if math.isfinite(loss)}


class Shortage(Wire):
    """What photos lack to support a model. `images` different photos (near-duplicates count once) are of the
    kind, `needed` should be; `label` is null where all photos together are meant."""

    label: str | None
    kind: Literal["images", "held_out", "distance", "angle", "light"]
    images: int
    needed: int
    advice: str = Field(description="for people: what is short, and what to photograph")


class TrainingRun(Wire):
    """A training run. `history` holds the progress of every finished epoch (for curves), `warnings` what its
    photos lack though it runs."""

    id: str
    brand: str
    state: RunState
    reason: str | None = None
    options: TrainingOptions
    progress: Progress
    history: list[Progress] = Field(default_factory=list)
    metrics: dict[str, Any] | None = None
    warnings: list[Shortage] = Field(default_factory=list)
    dataset_version: str | None = None
    model_version: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


class ModelVersion(Wire):
    """A model version: judged by the gate, one live per brand."""

    version: str
    brand: str
    state: Literal["candidate", "live", "retired", "rejected"]
    reasons: list[str] = Field(default_factory=list)
    run: str
    dataset_version: str
    metrics: dict[str, Any]
    description: dict[str, Any] = Field(description="the version's model.json")
    report: list[str] = Field(default_factory=list, description="files under …/report/")
    created_at: datetime


class Live(Wire):
    """Which model version judges now."""

    version: str
    since: datetime


class NewLive(Request):
    """Body of `PUT …/live`."""

    version: str


class DatasetItem(Wire):
    """One image of a dataset version. Images of one `group` are near-duplicates; null in dataset versions
    older than this field. `truth` as in Image: a whole image marked `counterfeit` is a known counterfeit."""

    sha256: str
    extension: str
    width: int
    height: int
    split: Literal["train", "val"]
    group: str | None = None
    truth: Truth | None = None
    annotations: list[Annotation]


class DatasetManifest(Wire):
    """A dataset version: everything a trainer needs to know, immutable. `warnings` is what its photos lack,
    as far as boxes tell."""

    id: str
    brand: str
    labels: list[Label]
    products: list[Product]
    items: list[DatasetItem]
    warnings: list[Shortage] = Field(default_factory=list)


# Verification


class Verdict(StrEnum):
    """What Assay says of a picture."""

    GENUINE = "genuine"
    COUNTERFEIT = "counterfeit"
    INCONCLUSIVE = "inconclusive"


class Outcome(StrEnum):
    """What one check says."""

    PASS = "pass"  # noqa: S105  (no password)
    FAIL = "fail"
    NOT_APPLICABLE = "not_applicable"
    UNCLEAR = "unclear"


class Check(Wire):
    """One check: its outcome, a score from 0 to 1 where it has one (higher is more genuine), the reason,
    and every number behind it."""

    name: str
    outcome: Outcome
    score: float | None = None
    reason: str
    values: dict[str, Any] = Field(default_factory=dict)


class Box(Wire):
    """A rectangle in pixels of the upright picture."""

    left: float
    top: float
    width: float
    height: float


class Detection(Wire):
    """What the detector found."""

    label: str
    role: LabelRole
    confidence: float
    box: Box


class JudgedProduct(Wire):
    """One of the products in a picture, judged by itself. `gtin`: the one asked for, else the one read on it,
    else the only one that the brand registered for its label."""

    label: str
    gtin: str | None = None
    confidence: float
    box: Box
    verdict: Verdict
    score: float = Field(description="0 to 1, higher is more genuine")
    checks: list[Check]
    guidance: list[str]
    decides: bool = Field(description="its checks and verdict are those of the picture")


class Verification(Wire):
    """One judged picture. Each product of the brand in it is judged by itself; verdict, score and checks are
    those of the product that `gtin` asked for, else of the worst: counterfeit before inconclusive before
    genuine, then the lower score. Where the one asked for is not there, or none is, no product decides, and
    the checks say so."""

    id: str
    brand: str
    verdict: Verdict
    score: float = Field(description="0 to 1, higher is more genuine")
    checks: list[Check]
    detections: list[Detection]
    model_version: str
    gtin: str | None = None
    image: dict[str, int] = Field(description="width and height of the upright picture, pixels")
    guidance: list[str]
    timings_ms: dict[str, float]
    created_at: datetime
    request_id: str = ""
    products: list[JudgedProduct] = Field(
        default_factory=list, description="those asked for first, each the worst first; at most 8"
    )
    products_left_out: int = Field(
        default=0,
        description="further products of the brand that were found and not judged; a picture with some that "
        "count is not called genuine",
    )


# Reviews and figures


class ReviewTruth(StrEnum):
    """What a person says of a verification's picture; `unusable`: it shows nothing to learn from."""

    GENUINE = "genuine"
    COUNTERFEIT = "counterfeit"
    UNUSABLE = "unusable"


class NewReview(Request):
    """Body of `POST /v1/verifications/{id}/review`."""

    truth: ReviewTruth
    note: str = Field(default="", max_length=2000)


class Review(Wire):
    """What the brand's people say of a verification. `reviewer` is the key's id, or `admin`."""

    truth: ReviewTruth
    note: str
    reviewer: str
    created_at: datetime


class LoggedVerification(Verification):
    """A verification as the log has it: with its review, and the image that was kept of its picture
    (`GET /v1/brands/{brand}/images/{picture}/content`). Keys that may only verify see neither."""

    review: Review | None = None
    picture: str | None = Field(default=None, description="sha256 of the sanitised picture")


class VerificationCounts(Wire):
    """How verifications ended. `doubted`: verdict not genuine. `p_values`: how many p-values of the check
    `appearance` lie in each tenth of 0 to 1; genuine pictures like those that the model was calibrated on
    fill the tenths evenly."""

    verifications: int
    doubted: int
    counterfeit: int
    inconclusive: int
    p_values: list[int] = Field(min_length=10, max_length=10)


class DayFigures(VerificationCounts):
    """The verifications of one day (UTC)."""

    day: date


class Drift(Wire):
    """Whether live p-values still look uniform: `distance` and `p` are those of a Kolmogorov-Smirnov test of
    the live model version's newest p-values; null while there are too few of them."""

    model_version: str | None
    p_values: int
    distance: float | None = None
    p: float | None = None
    drifted: bool = False


class Figures(Wire):
    """A brand's verifications over time; days without any are left out."""

    days: list[DayFigures]
    newest: VerificationCounts = Field(description="of the last 200 verifications")
    drift: Drift
    to_review: int = Field(description="doubted verifications of these days without a review")


class PublishedProduct(Wire):
    """A product as verifying needs it."""

    gtin: str
    label: str
    name: str


class PublishedKey(Wire):
    """A key that may verify: its id and SHA-256."""

    id: str
    sha256: str


class PublishedBrand(Wire):
    """What verifying needs to know of a brand; lies in bucket `live` beside the pointer, so that verify
    needs neither registry nor database. `revision` grows with every change."""

    slug: str
    name: str
    revision: int
    public_verification: bool
    thresholds: dict[str, float]
    doubted_share: float = DOUBTED_SHARE
    inconclusive_share: float = INCONCLUSIVE_SHARE
    kept_pictures: KeptPictures = "none"
    products: list[PublishedProduct]
    verify_keys: list[PublishedKey]


class LivePointer(Wire):
    """`live/{brand}/current.json`: which version judges now."""

    version: str
    since: datetime


# Between the services (routes under /internal, service token)


class Source(Wire):
    """The uploaded object that a record comes from."""

    brand: str
    upload: str
    name: str
    etag: str
    size: int
    request_id: str = ""


class ImageArrival(Wire):
    """`ingest` tells: a sanitised image is stored under `images/`."""

    source: Source
    sha256: Sha256
    extension: str
    width: int
    height: int
    perceptual_hash: str = Field(description="64 bits in hex")
    method: str = Field(description="how it was sanitised")
    split: Literal["train", "val"] | None = None


class AnnotationArrival(Wire):
    """`ingest` tells: an annotation file was read; `document` is the JSON of design section 3."""

    source: Source
    document: dict[str, Any]


class ArchiveArrival(Wire):
    """`ingest` tells: an archive was unpacked; its `members` lie in bucket `uploads` now as files of their
    own and are still to be ingested. `ignored`: names inside that are neither pictures nor annotations."""

    source: Source
    members: list[Source]
    ignored: list[str] = Field(default_factory=list)


class QuarantineArrival(Wire):
    """`ingest` tells: an original was refused and lies in bucket `quarantine`."""

    source: Source
    code: str
    reason: str


class Arrival(Wire):
    """What the registry answers: the file's state, and which raw objects of bucket `uploads` are done with
    (`settled`) or must move to quarantine (`refused`); the caller does that and nothing is lost if it dies,
    for the same call gives the same answer."""

    state: Literal["received", "accepted", "quarantined"]
    code: str | None = None
    reason: str | None = None
    settled: list[Source] = Field(default_factory=list)
    refused: list[Refusal] = Field(default_factory=list)


class Refusal(Wire):
    """An original that must move to quarantine, and why."""

    source: Source
    code: str
    reason: str


class ModelPlace(Wire):
    """A model version by brand and version."""

    brand: str
    version: str


Backend = Literal["celery", "sagemaker"]
"""Where a run trains: beside the worker that owns it, or as a job in SageMaker."""


class LeaseRequest(Wire):
    """A worker asks for a run. It begins runs in the first of `backends`; in the others it can only go on
    with what was begun there."""

    worker: str
    backends: list[Backend] = Field(default=["celery"], min_length=1)


class Lease(Wire):
    """A worker owns a run until `expires_at`; it renews by a heartbeat well before."""

    run: str
    brand: str
    token: str
    seconds: float
    expires_at: datetime
    model_version: str
    options: TrainingOptions
    dataset: DatasetManifest
    live_version: str | None
    backend: Backend = "celery"


class RunList(Wire):
    """Training runs by their ids."""

    runs: list[str]


class Heartbeat(Wire):
    """A worker tells how far it is; every field but the token may be left out."""

    token: str
    state: Literal["preparing", "training", "evaluating"] | None = None
    progress: Progress | None = None
    log: list[str] = Field(default_factory=list)


class HeartbeatAnswer(Wire):
    """`cancelled`: stop, and tell `release` with outcome `cancelled`."""

    cancelled: bool
    expires_at: datetime


class Release(Wire):
    """A worker ends its lease: the model is packaged (the gate comes next), the run failed, was cancelled,
    or goes back to the queue to be resumed."""

    token: str
    outcome: Literal["packaged", "failed", "cancelled", "requeue"]
    reason: str = ""


Arrival.model_rebuild()
