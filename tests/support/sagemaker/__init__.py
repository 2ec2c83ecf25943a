"""A simulator of SageMaker, for tests without AWS: `Platform` is its door, `Jobs` its training."""

from tests.support.sagemaker.jobs import Jobs
from tests.support.sagemaker.platform import Platform, Refusal

__all__ = ["Jobs", "Platform", "Refusal"]
