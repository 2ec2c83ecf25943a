"""Who detects: TorchServes of our own, or an endpoint in SageMaker. Made here, by the settings, and nowhere
else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assay_inference.settings import Settings
from assay_inference.transport import TorchServeTransport, Transport
from assay_shared.storage import ObjectStore


@dataclass(frozen=True)
class Backend:
    """The names of the hosts, how many requests each is sent at once, how many pictures go in one at most and
    are computed at once, and what makes the way to them."""

    hosts: list[str]
    slots: list[int]
    batch: int
    streams: int
    connect: Callable[[], Transport]


def choose_backend(settings: Settings, store: ObjectStore) -> Backend:
    """The backend that the settings name. Raises pydantic's ValidationError where AWS's are not whole."""
    if settings.inference_backend == "torchserve":
        urls, slots = settings.list_engines(), settings.list_slots()
        return Backend(
            urls,
            slots,
            settings.engine_batch,
            settings.engine_streams,
            lambda: TorchServeTransport(urls, slots, settings.engine_timeout_seconds),
        )
    # Here and not above: a box that has nothing in AWS does without boto3.
    from assay_inference.sagemaker_models import ModelDelivery
    from assay_inference.sagemaker_settings import EndpointSettings
    from assay_inference.sagemaker_transport import SageMakerTransport, find_batch

    endpoint = EndpointSettings()  # from the environment
    return Backend(
        [f"sagemaker:{endpoint.endpoint}"],
        [endpoint.endpoint_slots],
        min(settings.engine_batch, find_batch(endpoint)),
        1,
        lambda: SageMakerTransport(endpoint, ModelDelivery(endpoint, store), settings.engine_timeout_seconds),
    )
