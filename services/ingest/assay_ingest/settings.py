"""The settings of `ingest`: of its web service and of its workers alike."""

from __future__ import annotations

from functools import lru_cache

from pydantic import Field, SecretStr

from assay_shared.settings import BrokerSettings, RegistryClientSettings, ServiceSettings, StoreSettings


class IngestSettings(ServiceSettings, BrokerSettings, RegistryClientSettings):
    """From the environment (`ASSAY_*`); the store's part is `store` (`S3_*`)."""

    webhook_token: SecretStr = Field(
        min_length=16, description="what bucket notifications must send as `Authorization: Bearer TOKEN`"
    )
    max_image_pixels: int = Field(default=100_000_000, ge=1, description="width times height of a picture")
    max_file_bytes: int = Field(default=64_000_000, ge=1, description="of an image")
    max_annotation_bytes: int = Field(default=8_000_000, ge=1)
    max_archive_bytes: int = Field(default=2 << 30, ge=1, description="of a .zip as it is uploaded")
    max_unpacked_bytes: int = Field(default=4 << 30, ge=1, description="of all that a .zip holds")
    max_archive_members: int = Field(default=20_000, ge=1)
    keep_raw_uploads: bool = Field(
        default=False, description="leave originals in bucket `uploads` after their clean copy is safe"
    )
    reconcile_seconds: float = Field(
        default=300.0,
        ge=0.2,
        description="pause between two scans of the inbox; 1 or 2 without notifications",
    )
    resend_seconds: float = Field(
        default=30.0, gt=0, description="before a scan sends an object again; doubles each time, up to 1 hour"
    )
    store_events_queue_url: str = Field(
        default="",
        description="SQS queue to which AWS S3 tells of new objects, in the store's region; empty: none",
    )
    worker_metrics_port: int = Field(
        default=0, ge=0, le=65535, description="where a worker serves its metrics; 0: nowhere"
    )
    store: StoreSettings = Field(default_factory=lambda: StoreSettings())


@lru_cache
def get_settings() -> IngestSettings:
    """The settings of this process."""
    return IngestSettings()
