"""The registry's settings."""

from __future__ import annotations

from functools import lru_cache

from pydantic import Field, SecretStr

from assay_shared.settings import BrokerSettings, ServiceSettings, StoreSettings


class RegistrySettings(ServiceSettings, BrokerSettings):
    """From the environment; the store's part is `store`."""

    database_url: SecretStr = Field(
        description="sqlite:////path or postgresql+psycopg://user:password@host/name"
    )
    public_url: str = Field(
        default="", description="the address that people use, such as https://assay.example"
    )
    inference_url: str = Field(
        default="", description="the verify API, whose part of the OpenAPI document is merged"
    )
    max_upload_bytes: int = Field(default=2 << 30, ge=1)
    announce_uploads: bool = Field(
        default=True,
        description="tell ingest of an upload at once; not needed where the store sends notifications",
    )
    finish_wait_seconds: float = Field(
        default=15.0,
        ge=0,
        description="how long `finished` waits for running ingestion before it answers 202",
    )
    lease_seconds: float = Field(default=60.0, ge=2)
    sweep_seconds: float = Field(
        default=5.0, gt=0, description="pause between two sweeps of the background work"
    )
    keep_raw_uploads: bool = False
    store: StoreSettings = Field(default_factory=lambda: StoreSettings())


@lru_cache
def get_settings() -> RegistrySettings:
    """The settings of this process."""
    return RegistrySettings()
