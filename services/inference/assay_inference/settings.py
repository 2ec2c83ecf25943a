"""Settings of the verify API, from the environment."""

from __future__ import annotations

import os

from pydantic import Field, field_validator

from assay_shared.settings import RegistryClientSettings, ServiceSettings

BARCODE_RETRY_MS = 300
"""Finds all but 1 or 2 in 100 of the codes that are found in unlimited time (`python -m bench.barcodes`)."""


class Settings(ServiceSettings, RegistryClientSettings):
    """What the verify API needs; the object store's settings are apart (`S3_*`)."""

    port: int = 8003
    engine_urls: str = Field(description="addresses of TorchServe, separated by commas")
    engine_slots: int = Field(
        default_factory=lambda: len(os.sched_getaffinity(0)),
        ge=1,
        description="requests sent to each TorchServe at once; its number of workers",
    )
    engine_batch: int = Field(default=16, ge=1, le=256, description="pictures in one request at most")
    engine_queue: int = Field(default=64, ge=1, description="pictures that may wait; beyond that 503")
    engine_timeout_seconds: float = Field(default=10.0, gt=0, description="of one call to TorchServe")
    verify_deadline_seconds: float = Field(
        default=20.0, gt=0, description="a picture that waits longer for the engine gets 503"
    )
    barcode_retry_ms: float = Field(
        default=BARCODE_RETRY_MS,
        ge=0,
        description="milliseconds for further tries at a code that was not read at once on the product; four"
        " times that where no brand was named",
    )
    appearance_workers: int = Field(
        default_factory=lambda: len(os.sched_getaffinity(0)),
        ge=1,
        description="processes that compare prints with the genuine ones, 100 MB each",
    )
    appearance_memory_bytes: int = Field(
        default=400_000_000, ge=1, description="of products' appearances in the memory of all these processes"
    )
    appearance_disk_bytes: int = Field(
        default=2_000_000_000, ge=1, description="of products' appearances kept on disk, 1 MB each"
    )
    explanation_seconds: float = Field(
        default=3600.0, gt=0, description="for which the picture that explains a verdict can be had"
    )
    explanation_bytes: int = Field(
        default=500_000_000, ge=0, description="on disk, of what such pictures are drawn from"
    )
    live_seconds: float = Field(default=2.0, gt=0, description="between two looks at bucket `live`")
    max_picture_bytes: int = Field(default=25_000_000, ge=1, description="larger pictures get 413")
    max_image_pixels: int = Field(default=100_000_000, ge=1, description="larger pictures get 413")

    kept_pictures_bytes: int = Field(
        default=2 << 30,
        ge=0,
        description="disk for pictures that brands keep, while the store is away; what does not fit is lost",
    )

    @field_validator("engine_urls")
    @classmethod
    def _check_urls(cls, value: str) -> str:
        urls = [url.strip() for url in value.split(",") if url.strip()]
        if not urls or not all(url.startswith(("http://", "https://")) for url in urls):
            raise ValueError("give one or more addresses such as http://127.0.0.1:8080")
        return ",".join(url.rstrip("/") for url in urls)
