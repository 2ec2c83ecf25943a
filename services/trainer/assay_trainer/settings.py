"""The trainer's settings."""

from __future__ import annotations

from functools import lru_cache

from pydantic import Field

from assay_shared.settings import BrokerSettings, RegistryClientSettings, ServiceSettings, StoreSettings
from assay_shared.wire import Backend


class TrainerSettings(ServiceSettings, BrokerSettings, RegistryClientSettings):
    """From the environment; the store's part is `store`, SageMaker's part `sagemaker_settings.py`."""

    training_backend: Backend = Field(
        default="celery",
        description="where runs begin: celery trains in this worker, sagemaker as a job in AWS "
        "(ASSAY_SAGEMAKER_*). A run that was begun as a job is finished as one, whatever this says",
    )
    pretrained_weights: str = Field(
        default="", description="a file, s3://bucket/key, or an ultralytics asset; empty: the bundled ones"
    )
    device: str = Field(default="auto", description="auto, cpu, or a CUDA index")
    store: StoreSettings = Field(default_factory=lambda: StoreSettings())


@lru_cache
def get_settings() -> TrainerSettings:
    """The settings of this process."""
    return TrainerSettings()
