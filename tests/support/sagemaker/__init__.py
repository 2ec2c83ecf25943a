"""A simulator of SageMaker, for tests without AWS: `Platform` is its door, `Jobs` its training, `Endpoints`
its serving."""

from tests.support.sagemaker.endpoints import Endpoints
from tests.support.sagemaker.jobs import Jobs
from tests.support.sagemaker.platform import Platform, Refusal

__all__ = ["Endpoints", "Jobs", "Platform", "Refusal"]
