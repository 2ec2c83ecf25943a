"""A simulator of SageMaker, for tests without AWS: `Platform` is the whole of it."""

from tests.support.sagemaker.platform import Platform, Refusal

__all__ = ["Platform", "Refusal"]
