from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_ingest.documents import read_document
from assay_shared.annotations import AnnotationRefused


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_reads_every_unicode_encoding(encoding: str) -> None:
    assert read_document('{"name": "Fläschchen"}'.encode(encoding)) == {"name": "Fläschchen"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"{", "not JSON: .* line 1, column 2"),
        (b'{"a": 1, "b": 2, "a": 3}', "member 'a' twice"),
        (b'{"a": NaN}', "holds NaN"),
        (b'{"a": -Infinity}', "holds -Infinity"),
        (b'{"a": "\xff"}', "not UTF-8 text"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "thousands of digits"),
    ],
)
def test_says_what_is_wrong(data: bytes, words: str) -> None:
    with pytest.raises(AnnotationRefused, match=words):
        read_document(data)


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none(), max_size=4))
def test_reads_what_was_written(value: dict[str, object]) -> None:
    assert read_document(json.dumps(value).encode()) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        json.dumps(read_document(data))
    except AnnotationRefused:
        return
