from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_registry.uploads import MAX_KEY_BYTES, check_name
from assay_shared.errors import InvalidRequest
from assay_shared.keys import parse_upload_key


@given(st.text(max_size=400))
def test_a_name_that_is_taken_leads_to_a_key_that_reads_back(name: str) -> None:
    try:
        check_name("brand", "upload", name)
    except InvalidRequest:
        return
    key = f"brand/upload/{name}"
    assert len(key.encode()) <= MAX_KEY_BYTES
    parsed = parse_upload_key(key)
    assert parsed is not None
    assert parsed.name == name
    assert not {"", ".", ".."} & set(name.split("/"))


@pytest.mark.parametrize("name", ["a.jpg", "a b+c%.jpg", "ü/é.JSON", "...", "x" * 255])
def test_ordinary_names_are_taken(name: str) -> None:
    check_name("brand", "upload", name)


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", ".", "a/../b", "a\x00", "a\x7f", "x" * 256])
def test_names_that_mean_trouble_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        check_name("brand", "upload", name)
