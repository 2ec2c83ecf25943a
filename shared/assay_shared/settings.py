"""Settings that several services share; each service derives its one settings class from these.

Values come from the environment: `S3_*` for the object store, `ASSAY_*` for all else.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class StoreSettings(BaseSettings):
    """How to reach the object store. The keys have no default: an open store is not a default."""

    model_config = SettingsConfigDict(env_prefix="S3_", extra="ignore")

    endpoint: str = Field(description="URL, such as http://minio:9000 or https://s3.eu-west-1.amazonaws.com")
    access_key: str
    secret_key: SecretStr
    region: str = "us-east-1"
    timeout_seconds: float = Field(
        default=10.0, description="connect and read timeout of one call, in seconds"
    )


class ServiceSettings(BaseSettings):
    """What every service has."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", extra="ignore")

    host: str = "127.0.0.1"
    port: int = 8000
    data_dir: Path = Field(description="private folder of this service, for caches and spools")
    log_level: str = "INFO"
    log_format: str = Field(default="json", pattern="^(json|console)$")
    service_token: SecretStr = Field(min_length=16, description="shared by the services, for the registry")
    admin_key_sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the admin key")


class BrokerSettings(BaseSettings):
    """How to reach the Celery broker."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", extra="ignore")

    broker_url: SecretStr = Field(description="redis://[:password@]host:port/0")


class RegistryClientSettings(BaseSettings):
    """How to reach the registry from another service."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", extra="ignore")

    registry_url: str
    registry_timeout_seconds: float = 10.0
