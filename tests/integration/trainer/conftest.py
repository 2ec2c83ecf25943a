"""SageMaker's simulator with a bucket in it, found by boto3 through this process's environment."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.support.sagemaker import Jobs, Platform
from tests.support.sagemaker.platform import REGION


@dataclass(frozen=True)
class Aws:
    """The simulator's parts, a bucket of this test alone, and clients as the product makes them."""

    platform: Platform
    jobs: Jobs
    bucket: str

    def client(self, service: str) -> Any:
        """A boto3 client that has found the simulator by the environment."""
        return boto3.session.Session().client(service)

    def keys(self, prefix: str = "") -> list[str]:
        """What lies in the bucket."""
        found = self.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [one["Key"] for one in found.get("Contents", [])]


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """AWS; when the test ends, nothing of it runs on."""
    platform = Platform()
    platform.start()
    for name, value in platform.environment().items():
        monkeypatch.setenv(name, value)
    jobs = Jobs(platform, tmp_path / "sagemaker")
    made = Aws(platform, jobs, f"bucket-{secrets.token_hex(6)}")
    made.client("s3").create_bucket(
        Bucket=made.bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    yield made
    jobs.stop()
    platform.stop()
