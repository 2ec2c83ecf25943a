"""Groups of near-duplicates."""

from __future__ import annotations

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from assay_shared.likeness import find_roots


def name(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


@given(st.dictionaries(st.integers(0, 30), st.one_of(st.none(), st.integers(0, 40)), max_size=30))
@settings(max_examples=40, deadline=None)
def test_pictures_that_hang_together_have_one_root(links: dict[int, int | None]) -> None:
    named = {name(key): None if value is None else name(value) for key, value in links.items()}
    roots = find_roots(named)
    assert set(roots) == set(named)
    for key, value in named.items():
        if value in named:
            assert roots[key] == roots[value]
        assert roots[key] in {*named, *named.values()}


def test_pictures_without_links_stay_apart() -> None:
    roots = find_roots({"c": "b", "b": "a", "x": None, "y": "lost", "z": "lost"})
    assert roots["b"] == roots["c"]
    assert len(set(roots.values())) == 3
    assert roots["y"] == roots["z"] != roots["x"]


def test_further_pairs_join_groups() -> None:
    links = {"a": None, "b": "a", "c": None, "d": None}
    assert len(set(find_roots(links).values())) == 3
    joined = find_roots(links, [("b", "c")])
    assert joined["a"] == joined["b"] == joined["c"] != joined["d"]
