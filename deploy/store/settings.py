"""The secrets that this tool is given, from the environment; the store itself is `StoreSettings`."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSecrets(BaseSettings):
    """`S3_{SERVICE}_SECRET_KEY`: the secret of each service's account. None has a default."""

    model_config = SettingsConfigDict(env_prefix="S3_", extra="ignore")

    registry_secret_key: SecretStr = Field(min_length=16)
    ingest_secret_key: SecretStr = Field(min_length=16)
    trainer_secret_key: SecretStr = Field(min_length=16)
    inference_secret_key: SecretStr = Field(min_length=16)
    engine_secret_key: SecretStr = Field(min_length=16)

    def by_service(self) -> dict[str, SecretStr]:
        """The secret of each service, under its name."""
        return {
            "registry": self.registry_secret_key,
            "ingest": self.ingest_secret_key,
            "trainer": self.trainer_secret_key,
            "inference": self.inference_secret_key,
            "engine": self.engine_secret_key,
        }


class BrandSecret(BaseSettings):
    """What the brands' own S3 credentials are derived from."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", extra="ignore")

    s3_accounts_secret: SecretStr = Field(min_length=16)


class BrandListing(BaseSettings):
    """`ASSAY_S3_BRAND_LISTING`: whether brands may list their own prefix.

    Off by default, since only a gateway makes it safe: when MinIO judges a policy's condition on the prefix
    it looks at a header or a parameter named `Prefix` first, but it lists the parameter `prefix`, so a brand
    could list any other's keys. Set it where the gateway refuses every request that has a header `Prefix` or
    a parameter `Prefix` (with a capital letter; nothing honest sends either).
    """

    model_config = SettingsConfigDict(env_prefix="ASSAY_", extra="ignore")

    s3_brand_listing: bool = False


class Notify(BaseSettings):
    """`ASSAY_NOTIFY`: whether MinIO tells `ingest` of new objects; false removes the buckets' rules."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", extra="ignore")

    notify: bool = True
