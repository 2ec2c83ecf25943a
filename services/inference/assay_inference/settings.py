"""Settings of the verify API, from the environment."""

from __future__ import annotations

import os
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from assay_shared.settings import RegistryClientSettings, ServiceSettings

BARCODE_RETRY_MS = 300
"""Finds all but 1 or 2 in 100 of the codes that are found in unlimited time (`python -m bench.barcodes`)."""


class Settings(ServiceSettings, RegistryClientSettings):
    """What the verify API needs; the object store's settings are apart (`S3_*`)."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", env_ignore_empty=True, extra="ignore")

    port: int = 8003
    inference_backend: Literal["torchserve", "sagemaker"] = Field(
        default="torchserve",
        description="who detects: TorchServes of our own, or an endpoint in AWS (ASSAY_SAGEMAKER_*)",
    )
    engine_urls: str = Field(
        default="", description="addresses of TorchServe, separated by commas; backend torchserve"
    )
    engine_slots: str = Field(
        default_factory=lambda: str(len(os.sched_getaffinity(0))),
        description="requests sent to each TorchServe at once, its number of workers; or a number for each"
        " address, separated by commas: a host of twice the workers gets twice the brands",
    )
    engine_streams: int = Field(
        default=1,
        ge=1,
        description="pictures of one request that an engine's worker computes at once, as its own setting"
        " says: so many go together whenever they wait",
    )
    engine_batch: int = Field(default=16, ge=1, le=256, description="pictures in one request at most")
    engine_queue: int = Field(
        default=64, ge=1, description="pictures that may wait; beyond that 503, or 429 to a brand that floods"
    )
    engine_timeout_seconds: float = Field(default=10.0, gt=0, description="of one call to TorchServe")
    engine_silence_seconds: float = Field(
        default=1.5,
        gt=0,
        description="without any answer, though it has work, until what a TorchServe has goes to another",
    )
    engine_reserve_seconds: float = Field(
        default=5.0,
        ge=0,
        description="after another brand's picture, for which no brand takes the last free worker of a host"
        " whose others it has all; 0: never",
    )
    verify_deadline_seconds: float = Field(
        default=20.0,
        gt=0,
        description="a picture that waits longer for the engine, for a core or for a process that compares"
        " prints, gets 503",
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
        description="processes that compare prints with the genuine ones, 100 MB each, and one more for a"
        " brand that has none while others have all",
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
        if not all(url.startswith(("http://", "https://")) for url in urls):
            raise ValueError("give one or more addresses such as http://127.0.0.1:8080")
        return ",".join(url.rstrip("/") for url in urls)

    @field_validator("engine_slots")
    @classmethod
    def _check_slots(cls, value: str) -> str:
        slots = [slot.strip() for slot in value.split(",")]
        if not all(slot.isdecimal() and int(slot) > 0 for slot in slots):
            raise ValueError("give a number of workers such as 2, or one for each address such as 2,1")
        return ",".join(slots)

    @model_validator(mode="after")
    def _check_hosts(self) -> Self:
        if self.inference_backend == "sagemaker":
            return self
        hosts, slots = self.list_engines(), self.engine_slots.count(",") + 1
        if hosts == [""]:
            raise ValueError("engine_urls: give one or more addresses such as http://127.0.0.1:8080")
        if len(set(hosts)) != len(hosts):
            raise ValueError("engine_urls: an address is given twice")
        if slots not in (1, len(hosts)):
            raise ValueError(f"engine_slots: {slots} numbers for {len(hosts)} addresses; give one each")
        return self

    def list_engines(self) -> list[str]:
        """The addresses of TorchServe."""
        return self.engine_urls.split(",")

    def list_slots(self) -> list[int]:
        """The number of workers at each address."""
        slots = [int(slot) for slot in self.engine_slots.split(",")]
        return slots * len(self.list_engines()) if len(slots) == 1 else slots
