"""When two pictures count as one: near-duplicates, and the groups they make. Needs no NumPy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from assay_shared.wire import DatasetItem

NEAR_BITS = 6
"""Perceptual hashes (64 bits) that differ in at most so many bits are of the same scene; pairs of unrelated
photos differ in about 32."""


def name_group(item: DatasetItem) -> str:
    """The group of near-duplicates that a picture belongs to; its own without one."""
    return item.group or item.sha256


def find_roots(links: Mapping[str, str | None], more: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """The group of every picture: from its link to the picture it nearly repeats, to the same picture for all
    that hang together, directly or over others. Links to pictures that are not there count too; `more` are
    further pairs of near-duplicates."""
    roots: dict[str, str] = {}

    def root_of(name: str) -> str:
        path = []
        while roots.setdefault(name, name) != name:
            path.append(name)
            name = roots[name]
        for passed in path:
            roots[passed] = name
        return name

    for name, original in (*links.items(), *more):
        left, right = root_of(name), root_of(original or name)
        roots[max(left, right)] = min(left, right)
    return {name: root_of(name) for name in links}
