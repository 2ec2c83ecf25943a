"""How the object store is reached: what is accepted, and what is refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from assay_shared.keys import BUCKETS
from assay_shared.settings import StoreSettings

MINIO: dict[str, Any] = {"endpoint": "http://minio:9000", "access_key": "a", "secret_key": SecretStr("s")}
AMAZON: dict[str, Any] = {"endpoint": "https://s3.eu-west-1.amazonaws.com", "region": "eu-west-1"}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY", "REGION", "BUCKET_PREFIX"):
        monkeypatch.delenv(f"S3_{name}", raising=False)


@pytest.mark.parametrize(
    ("endpoint", "region", "amazon"),
    [
        ("https://s3.eu-west-1.amazonaws.com", "eu-west-1", True),
        ("https://s3.cn-north-1.amazonaws.com.cn:443/", "cn-north-1", True),
        ("https://bucket.vpce-1a.s3.eu-west-1.vpce.amazonaws.com", "eu-west-1", True),
        ("http://minio:9000", "us-east-1", False),
        ("https://amazonaws.com.example.org", "us-east-1", False),
    ],
)
def test_whether_the_store_is_amazons(endpoint: str, region: str, amazon: bool) -> None:
    assert StoreSettings(**(MINIO | {"endpoint": endpoint, "region": region})).is_amazon is amazon


def test_amazon_needs_no_keys_but_nothing_else_goes_without() -> None:
    assert StoreSettings(**AMAZON).access_key == ""
    with pytest.raises(ValidationError, match="S3_ACCESS_KEY and S3_SECRET_KEY are missing"):
        StoreSettings(endpoint="http://minio:9000")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"access_key": "a"}, "belong together"),
        ({"secret_key": SecretStr("s")}, "belong together"),
        ({"endpoint": "http://s3.eu-west-1.amazonaws.com"}, "by https alone"),
        ({"region": "us-east-1"}, "https://s3.us-east-1.amazonaws.com"),
        ({"endpoint": "https://s3.amazonaws.com"}, "https://s3.eu-west-1.amazonaws.com"),
        ({"bucket_prefix": "xn--a"}, "begin with xn--"),
        ({"bucket_prefix": "amzn-s3-demo-a"}, "begin with amzn-s3-demo-"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_to_do(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        StoreSettings(**(AMAZON | changes))


@given(st.text(st.sampled_from("abz019-._A é"), max_size=60))
def test_a_prefix_is_taken_when_every_bucket_then_has_a_name_that_s3_takes(prefix: str) -> None:
    names = [prefix + bucket for bucket in BUCKETS]
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    good = all(3 <= len(name) <= 63 and set(name) <= allowed and name[0] != "-" for name in names)
    try:
        settings = StoreSettings(**(MINIO | {"bucket_prefix": prefix}))
    except ValidationError:
        assert not good
    else:
        assert good
        assert [settings.name_bucket(bucket) for bucket in BUCKETS] == names
