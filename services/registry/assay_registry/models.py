"""The tables. State machines are enforced here too: one active run and one live version a brand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from assay_shared.ids import utc_now
from assay_shared.wire import ACTIVE_STATES, RunState


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC; SQLite forgets the zone, so it is put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses times without a zone."""
        if value is not None and value.tzinfo is None:
            raise ValueError("times must carry a zone")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Gives times in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        # None is SQL's NULL, not JSON's null, so that IS NULL finds it.
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
        str: Text,
    }


def _states(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


class BrandRow(Base):
    """A brand. `revision` grows with every change that verifying must know of; the background work
    publishes `brand.json` while `published_revision` is behind."""

    __tablename__ = "brands"

    slug: Mapped[str] = mapped_column(String(63), primary_key=True)
    name: Mapped[str]
    settings: Mapped[dict[str, Any]]
    revision: Mapped[int] = mapped_column(default=1)
    published_revision: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class KeyRow(Base):
    """An API key of a brand; only its hash is kept."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    brand: Mapped[str] = mapped_column(ForeignKey("brands.slug"), index=True)
    name: Mapped[str]
    scopes: Mapped[list[Any]]
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    revoked_at: Mapped[datetime | None]


class ProductRow(Base):
    """A product by brand and GTIN-14. A GTIN belongs to one brand, for it names the brand in verifying."""

    __tablename__ = "products"

    gtin: Mapped[str] = mapped_column(String(14), primary_key=True)
    brand: Mapped[str] = mapped_column(ForeignKey("brands.slug"), index=True)
    name: Mapped[str]
    label: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class LabelRow(Base):
    """A label of a brand with its role."""

    __tablename__ = "labels"
    __table_args__ = (_states("role", "product", "mark", "counterfeit"),)

    brand: Mapped[str] = mapped_column(ForeignKey("brands.slug"), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    role: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class UploadRow(Base):
    """An upload: made by `POST …/uploads`, or seen first in the bucket."""

    __tablename__ = "uploads"

    brand: Mapped[str] = mapped_column(ForeignKey("brands.slug"), primary_key=True)
    id: Mapped[str] = mapped_column(String(1024), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class FileRow(Base):
    """One raw object of an upload, known by (brand, upload, name, etag).

    `kind`: image, annotation, archive, other (not known yet). `state` is the file's own; `document` is an
    annotation file's content; `settled` is true when the raw object is no longer needed in bucket `uploads`.
    """

    __tablename__ = "files"
    __table_args__ = (
        _states("state", "received", "accepted", "quarantined"),
        Index("files_identity", "brand", "upload", "name", "etag", unique=True),
        Index("files_stem", "brand", "upload", "stem"),
        Index("files_state", "brand", "state"),
    )

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    brand: Mapped[str] = mapped_column(ForeignKey("brands.slug"))
    upload: Mapped[str] = mapped_column(String(1024))
    name: Mapped[str] = mapped_column(String(2000))
    stem: Mapped[str] = mapped_column(String(2000))
    etag: Mapped[str] = mapped_column(String(200))
    size: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    code: Mapped[str | None]
    reason: Mapped[str | None]
    sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    document: Mapped[dict[str, Any] | None]
    settled: Mapped[bool] = mapped_column(default=False)
    request_id: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ImageRow(Base):
    """A sanitised image of a brand, known by the SHA-256 of its clean bytes.

    `annotations`: list of wire.Annotation as dicts, null while there is none. `in_dataset`: a dataset version
    lists it, so its bytes are kept.
    """

    __tablename__ = "images"
    __table_args__ = (
        _states("state", "kept", "received", "accepted", "quarantined"),
        _states("truth", "genuine", "counterfeit"),
        Index("images_state", "brand", "state"),
    )

    brand: Mapped[str] = mapped_column(ForeignKey("brands.slug"), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    extension: Mapped[str] = mapped_column(String(10))
    width: Mapped[int]
    height: Mapped[int]
    perceptual_hash: Mapped[str] = mapped_column(String(16))
    near_duplicate_of: Mapped[str | None] = mapped_column(String(64))
    method: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(20))
    code: Mapped[str | None]
    reason: Mapped[str | None]
    upload: Mapped[str] = mapped_column(String(1024))
    name: Mapped[str] = mapped_column(String(2000))
    stem: Mapped[str] = mapped_column(String(2000))
    split: Mapped[str | None] = mapped_column(String(10))
    truth: Mapped[str | None] = mapped_column(String(20))
    in_dataset: Mapped[bool] = mapped_column(default=False)
    annotations: Mapped[list[Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class DatasetVersionRow(Base):
    """An immutable dataset version; `manifest` is a wire.DatasetManifest, `sha256` that of its content."""

    __tablename__ = "dataset_versions"
    __table_args__ = (Index("dataset_versions_content", "brand", "sha256", unique=True),)

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    brand: Mapped[str] = mapped_column(ForeignKey("brands.slug"))
    sha256: Mapped[str] = mapped_column(String(64))
    manifest: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


_ACTIVE = text("state IN ({})".format(", ".join(f"'{state.value}'" for state in ACTIVE_STATES)))
_LIVE = text("state = 'live'")


class TrainingRunRow(Base):
    """A training run, owned by whoever holds `lease_token` until `lease_expires_at`.

    `packaged_at` is set when the model version is stored whole and waits for the gate. `backend` is where the
    run was begun; one that has a job in SageMaker is never trained anywhere else.
    """

    __tablename__ = "training_runs"
    __table_args__ = (
        _states("state", *(state.value for state in RunState)),
        Index("one_active_run", "brand", unique=True, sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
    )

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    brand: Mapped[str] = mapped_column(ForeignKey("brands.slug"), index=True)
    state: Mapped[str] = mapped_column(String(20), default=RunState.QUEUED.value)
    reason: Mapped[str | None]
    options: Mapped[dict[str, Any]]
    progress: Mapped[dict[str, Any]] = mapped_column(default=dict)
    metrics: Mapped[dict[str, Any] | None]
    dataset_version: Mapped[str | None] = mapped_column(ForeignKey("dataset_versions.id"))
    model_version: Mapped[str | None] = mapped_column(String(80))
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    attempts: Mapped[int] = mapped_column(default=0)
    backend: Mapped[str | None] = mapped_column(String(20))
    lease_worker: Mapped[str | None]
    lease_token: Mapped[str | None] = mapped_column(String(80))
    lease_expires_at: Mapped[datetime | None]
    queued_at: Mapped[datetime | None]
    packaged_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class RunEpochRow(Base):
    """The progress of one finished epoch (wire.Progress), for curves."""

    __tablename__ = "run_epochs"

    run: Mapped[str] = mapped_column(ForeignKey("training_runs.id"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    progress: Mapped[dict[str, Any]]


class RunLogRow(Base):
    """One line of a run's log."""

    __tablename__ = "run_log"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    run: Mapped[str] = mapped_column(ForeignKey("training_runs.id"), index=True)
    at: Mapped[datetime] = mapped_column(default=utc_now)
    line: Mapped[str]


class ModelVersionRow(Base):
    """A model version; `description` is its model.json."""

    __tablename__ = "model_versions"
    __table_args__ = (
        _states("state", "candidate", "live", "retired", "rejected"),
        Index("one_live_version", "brand", unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE),
    )

    brand: Mapped[str] = mapped_column(ForeignKey("brands.slug"), primary_key=True)
    version: Mapped[str] = mapped_column(String(80), primary_key=True)
    run: Mapped[str] = mapped_column(ForeignKey("training_runs.id"))
    state: Mapped[str] = mapped_column(String(20))
    reasons: Mapped[list[Any]] = mapped_column(default=list)
    description: Mapped[dict[str, Any]]
    report: Mapped[list[Any]] = mapped_column(default=list)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    live_since: Mapped[datetime | None]


class VerificationRow(Base):
    """One judged picture; `body` is the wire.Verification. What figures are made of has columns of its own:
    `appearance_p` is the p-value of the check `appearance` where it could judge."""

    __tablename__ = "verifications"
    __table_args__ = (
        ForeignKeyConstraint(["brand"], ["brands.slug"]),
        Index("verifications_brand", "brand", "id"),
        Index("verifications_time", "brand", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    brand: Mapped[str] = mapped_column(String(63))
    verdict: Mapped[str] = mapped_column(String(20))
    score: Mapped[float]
    model_version: Mapped[str] = mapped_column(String(80))
    appearance_p: Mapped[float | None]
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class ReviewRow(Base):
    """What the brand's people say of a verification; the last word replaces those before."""

    __tablename__ = "reviews"
    __table_args__ = (_states("truth", "genuine", "counterfeit", "unusable"),)

    verification: Mapped[str] = mapped_column(
        ForeignKey("verifications.id", ondelete="CASCADE"), primary_key=True
    )
    brand: Mapped[str] = mapped_column(ForeignKey("brands.slug"), index=True)
    truth: Mapped[str] = mapped_column(String(20))
    note: Mapped[str]
    reviewer: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class IdempotencyRow(Base):
    """The answer that a POST with this `Idempotency-Key` got, for 24 hours."""

    __tablename__ = "idempotency_keys"

    caller: Mapped[str] = mapped_column(String(100), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_sha256: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None]
    body: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
