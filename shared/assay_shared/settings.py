"""Settings that several services share; each service derives its one settings class from these.

Values come from the environment: `S3_*` for the object store, `ASSAY_*` for all else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from assay_shared.keys import BUCKETS, name_bucket

MAX_BUCKET_NAME = 63
RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
"""Both from S3's rules of bucket names (AWS, "General purpose bucket naming rules"). Those allow dots too,
but a name with dots does not fit the certificate of S3's addresses."""


class StoreSettings(BaseSettings):
    """How to reach the object store. The keys have no default, for an open store is not a default; only
    Amazon S3 can be reached without, with the role of this machine."""

    model_config = SettingsConfigDict(env_prefix="S3_", extra="ignore")

    endpoint: str = Field(description="URL, such as http://minio:9000 or https://s3.eu-west-1.amazonaws.com")
    access_key: str = ""
    secret_key: SecretStr = SecretStr("")
    session_token: SecretStr = Field(
        default=SecretStr(""), description="with keys that AWS lends for a while"
    )
    region: str = "us-east-1"
    bucket_prefix: str = Field(
        default="",
        max_length=MAX_BUCKET_NAME - max(map(len, BUCKETS)),
        pattern="^([a-z0-9][a-z0-9-]*)?$",
        description="before the names of all five buckets, such as acme-; S3's names are the whole world's",
    )
    timeout_seconds: float = Field(
        default=10.0, description="connect and read timeout of one call, in seconds"
    )

    @property
    def is_amazon(self) -> bool:
        """Whether this is Amazon S3."""
        return self._host.endswith((".amazonaws.com", ".amazonaws.com.cn"))

    def name_bucket(self, bucket: str) -> str:
        """What a bucket is called in this store; `bucket` is Assay's own name of it, or any other's."""
        return name_bucket(bucket, self.bucket_prefix)

    @property
    def _host(self) -> str:
        return urlsplit(self.endpoint).hostname or ""

    @field_validator("bucket_prefix")
    @classmethod
    def _check_reserved(cls, prefix: str) -> str:
        for reserved in RESERVED_PREFIXES:
            if prefix.startswith(reserved):
                raise ValueError(f"S3 keeps names that begin with {reserved} for itself")
        return prefix

    @model_validator(mode="after")
    def _check_access(self) -> Self:
        secret = self.secret_key.get_secret_value()
        if bool(self.access_key) != bool(secret):
            raise ValueError("S3_ACCESS_KEY and S3_SECRET_KEY belong together: one of them is missing")
        if not self.is_amazon and not secret:
            raise ValueError(
                "S3_ACCESS_KEY and S3_SECRET_KEY are missing: only Amazon S3 can be reached without, with "
                "the role of this machine"
            )
        if self.is_amazon and urlsplit(self.endpoint).scheme != "https":
            raise ValueError(f"S3_ENDPOINT is {self.endpoint}: Amazon S3 is reached by https alone")
        if self.is_amazon and self.region not in self._host.split("."):
            raise ValueError(
                f"S3_ENDPOINT is {self.endpoint} and S3_REGION {self.region}: the address must be that of "
                f"the region, such as https://s3.{self.region}.amazonaws.com"
            )
        return self


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
