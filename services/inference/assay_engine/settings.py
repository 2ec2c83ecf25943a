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
    engine_memory_bytes: int = Field(
        default=1 << 30, ge=1, description="weights held in memory by each worker, in bytes"
    )
    engine_disk_bytes: int = Field(default=20 << 30, ge=1, description="disk cache of models, in bytes")
    engine_device: Literal["auto", "cpu", "cuda"] = "auto"
    engine_runtime: Literal["auto", "torch", "openvino"] = Field(
        default="auto",
        description="on the CPU; auto: the fastest that agrees with torch at the start",
    )
    engine_precision: Literal["auto", "f32", "bf16"] = Field(default="auto", description="of OpenVINO")


class TorchServeSettings(EngineSettings):
    """How TorchServe is started."""

    host: str = "127.0.0.1"
    torchserve_port: int = 8080
    torchserve_management_port: int = 8081
    torchserve_metrics_port: int = 8082
    engine_workers: int | None = Field(
        default=None, ge=1, description="worker processes; default: one per GPU, or per core without one"
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
