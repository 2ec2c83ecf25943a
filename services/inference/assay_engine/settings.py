"""Settings of the engine and of its TorchServe, from the environment (`ASSAY_*`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class EngineSettings(BaseSettings):
    """What a worker needs; the object store's settings are apart (`S3_*`)."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", env_ignore_empty=True, extra="ignore")

    data_dir: Path = Field(description="private folder: disk cache of models, TorchServe's configuration")
    engine_memory_bytes: int | None = Field(
        default=None,
        ge=1,
        description="weights ready to compute in each worker, in bytes: on a GPU in its memory, else in the"
        " host's; default: a share of what is free (budgets.py)",
    )
    engine_host_bytes: int | None = Field(
        default=None,
        ge=1,
        description="weights held in the host's memory by each worker with a GPU, in bytes; default: as"
        " above",
    )
    engine_disk_bytes: int | None = Field(
        default=None, ge=1, description="disk cache of models, in bytes; default: as above"
    )
    engine_pinned_brands: str = Field(
        default="", description="brands, separated by commas, that are loaded at the start and never given up"
    )
    engine_load_wait_seconds: float = Field(
        default=0.25,
        ge=0,
        description="a picture whose model is not loaded by then gets `model-loading`, so that others do not"
        " wait longer; the verify API sends it again until its deadline",
    )
    engine_workers: int | None = Field(
        default=None, ge=1, description="worker processes; default: one per GPU, or per core without one"
    )
    engine_streams: int = Field(
        default=1,
        ge=1,
        description="pictures of one request that a worker computes at once on the CPU, with OpenVINO; its"
        " threads are shared between them",
    )
    engine_device: Literal["auto", "cpu", "cuda"] = "auto"
    engine_runtime: Literal["auto", "torch", "openvino", "graphs"] = Field(
        default="auto",
        description="auto: the fastest that agrees with torch at the start; openvino on the CPU and graphs on"
        " a GPU: that one if it agrees, however fast",
    )
    engine_precision: Literal["auto", "f32", "bf16"] = Field(default="auto", description="of OpenVINO")

    def list_pinned_brands(self) -> list[str]:
        """The brands of `engine_pinned_brands`."""
        return [brand.strip() for brand in self.engine_pinned_brands.split(",") if brand.strip()]


class TorchServeSettings(EngineSettings):
    """How TorchServe is started."""

    host: str = "127.0.0.1"
    torchserve_port: int = 8080
    torchserve_management_port: int = 8081
    torchserve_metrics_port: int = 8082
    engine_metrics_port: int = Field(
        default=0, ge=0, description="where Prometheus finds the engine's figures; 0: nowhere"
    )
    engine_timeout_seconds: int = Field(default=30, ge=1, description="of one request in a worker")
    engine_max_request_bytes: int = Field(default=256 << 20, ge=1 << 20)
    probe_seconds: float = Field(default=3.0, gt=0, description="between two probes of the watchdog")
    alive_file: Path | None = Field(
        default=None, description="touched after every answered probe: for the health check of a container"
    )
    hang_seconds: float = Field(
        default=20.0, gt=0, description="without any answered probe until the workers are started anew"
    )


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))
