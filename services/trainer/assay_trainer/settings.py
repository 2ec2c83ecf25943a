"""The trainer's settings."""

from __future__ import annotations

from functools import lru_cache

from pydantic import Field

from assay_shared.settings import BrokerSettings, RegistryClientSettings, ServiceSettings, StoreSettings


class TrainerSettings(ServiceSettings, BrokerSettings, RegistryClientSettings):
    """From the environment; the store's part is `store`."""

    pretrained_weights: str = Field(
        default="", description="a file, s3://bucket/key, or an ultralytics asset; empty: the bundled ones"
    )
    device: str = Field(default="auto", description="auto, cpu, or a CUDA index")
    store: StoreSettings = Field(default_factory=lambda: StoreSettings())


@lru_cache
def get_settings() -> TrainerSettings:
    """The settings of this process."""
    return TrainerSettings()
