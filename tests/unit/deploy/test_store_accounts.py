"""Names, secrets and policies of accounts, and the part sizes of restored objects."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from assay_shared.errors import InvalidRequest
from assay_shared.keys import BUCKETS
from deploy.store import restore
from deploy.store.brand_accounts import brand_of, check_slug, derive_secret, policy_name
from deploy.store.errors import ArchiveDamaged
from deploy.store.manifest import FileEntry, Manifest, ObjectEntry, count, dump, parse_manifest
from deploy.store.parallel import in_order
from deploy.store.policies import brand_policy, same_policy, service_policies

SLUGS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)


@given(SLUGS, st.integers(0, 2**32 - 1))
def test_the_brand_is_read_back_from_its_access_key(slug: str, number: int) -> None:
    check_slug(slug)
    assert brand_of(f"{slug}.{number:08x}") == slug
    assert policy_name(slug) not in {f"assay-{service}" for service in service_policies("")}


def test_a_secret_is_always_the_same_and_fits_minio() -> None:
    master = SecretStr("the-master-secret-of-the-brands")
    assert derive_secret(master, "a.00000001") == derive_secret(master, "a.00000001")
    others = {derive_secret(master, f"a.{number:08x}") for number in range(100)}
    assert len(others) == 100
    assert {len(secret) for secret in others} == {40}
    assert derive_secret(SecretStr("another-master-secret"), "a.00000001") not in others


@pytest.mark.parametrize(
    "key", ["assay-registry", "a.1234567", "a.1234567A", ".12345678", "a.b.12345678", "a"]
)
def test_other_names_are_no_access_keys(key: str) -> None:
    with pytest.raises(InvalidRequest):
        brand_of(key)


def test_policies_are_compared_by_what_they_say() -> None:
    policy = brand_policy("shoes", listing=True, bucket_prefix="")
    turned = {
        "Statement": [
            {
                key: list(reversed(value)) if isinstance(value, list) else value
                for key, value in statement.items()
            }
            for statement in reversed(policy["Statement"])
        ],
        "Version": policy["Version"],
    }
    assert same_policy(policy, turned)
    assert not same_policy(policy, brand_policy("shoe", listing=True, bucket_prefix=""))
    assert not same_policy(policy, brand_policy("shoes", listing=False, bucket_prefix=""))


def test_policies_name_the_buckets_of_the_store_and_no_others() -> None:
    policies = [*service_policies("acme-").values(), brand_policy("b", listing=True, bucket_prefix="acme-")]
    named = {
        place.removeprefix("arn:aws:s3:::").partition("/")[0]
        for policy in policies
        for statement in policy["Statement"]
        for place in statement.get("Resource", [])
    }
    assert named == {"*", *(f"acme-{bucket}" for bucket in BUCKETS)}


def make_entry(**changes: Any) -> ObjectEntry:
    """An object's entry."""
    known = {
        "bucket": "images",
        "key": "b/x.jpg",
        "size": 3,
        "etag": "e",
        "content_type": "image/jpeg",
        "part_size": None,
        "sha256": hashlib.sha256(b"abc").hexdigest(),
        "member": "objects/images/b/x.jpg",
    }
    return ObjectEntry(**{**known, **changes})


@given(st.integers(1, 1 << 32), st.one_of(st.none(), st.integers(5 << 20, 32 << 20)))
def test_parts_are_those_of_the_original(size: int, part_size: int | None) -> None:
    parts = math.ceil(size / (part_size or (5 << 20)))
    chosen = restore._part_size(make_entry(size=size, etag=f"e-{parts}", part_size=part_size))
    assert math.ceil(size / chosen) == parts
    whole = restore._part_size(make_entry(size=size))
    assert whole >= size if size <= restore.LARGEST_PART else whole == 0


def test_a_manifest_survives_and_a_changed_one_is_refused() -> None:
    objects = [make_entry(), make_entry(bucket="live", key="b/ü\x01", part_size=5 << 20)]
    files = {"database.dump": FileEntry(1, "a"), "env": FileEntry(2, "b")}
    created = datetime(2026, 1, 2, tzinfo=UTC)
    manifest = Manifest(1, created, count(objects), ["b.00000001"], files, objects)
    data, path = dump(manifest), Path("x.tar")
    assert parse_manifest(path, data) == manifest
    assert orjson.loads(data)["created"] == "2026-01-02T00:00:00Z"
    for old, new in (
        (b'"format":1', b'"format":2'),
        (b'"size":3', b'"size":4'),
        (b"images", b"other"),
        (b"}", b""),
    ):
        with pytest.raises(ArchiveDamaged, match=r"x\.tar: member 'manifest\.json' is damaged"):
            parse_manifest(path, data.replace(old, new))


def test_results_come_in_order_and_the_first_failure_is_raised() -> None:
    assert list(in_order(lambda item: item * 2, range(100))) == [item * 2 for item in range(100)]
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda item: 1 // (50 - item), range(100)))
