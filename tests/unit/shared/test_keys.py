"""Names of buckets: there and back, whatever the prefix."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_shared.keys import BUCKETS, name_bucket, read_bucket

PREFIXES = st.from_regex(r"([a-z0-9][a-z0-9-]{0,52})?", fullmatch=True)


@given(st.sampled_from(BUCKETS), PREFIXES, PREFIXES)
def test_a_bucket_is_read_back_from_its_name_by_its_own_prefix_alone(
    bucket: str, prefix: str, other: str
) -> None:
    name = name_bucket(bucket, prefix)
    assert name.endswith(bucket)
    assert read_bucket(name, prefix) == bucket
    assert (read_bucket(name, other) is not None) == (other == prefix)


@given(st.text(max_size=70), PREFIXES)
def test_any_other_name_is_none_of_ours(name: str, prefix: str) -> None:
    ours = {name_bucket(bucket, prefix): bucket for bucket in BUCKETS}
    assert read_bucket(name, prefix) == ours.get(name)


@pytest.mark.parametrize("name", ["my-weights", "acme-models", "Uploads", ""])
def test_a_bucket_of_somebody_else_keeps_its_name(name: str) -> None:
    assert name_bucket(name, "acme-") == name
