from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_ingest import names
from assay_registry.files import kind_of, stem_of


@pytest.mark.parametrize(
    ("name", "kind", "stem"),
    [
        ("a.jpg", "image", "a"),
        ("x.y/a.b.JSON", "annotation", "x.y/a.b"),
        ("all.zip", "archive", "all"),
        ("x.jpg/readme", "other", "x.jpg/readme"),
        (".json", "annotation", ".json"),
    ],
)
def test_what_a_name_says(name: str, kind: str, stem: str) -> None:
    assert (kind_of(name), stem_of(name)) == (kind, stem)


@given(
    st.text("ab./") | st.sampled_from(["a.jpeg", "b/c.HEIC", "d.avif", "e.tif", "f.jfif", "g.gif", "h.zip"])
)
def test_registry_and_ingest_read_names_alike(name: str) -> None:
    assert kind_of(name) == names.kind_of(name)
    assert stem_of(name) == names.stem_of(name)
