"""Products' appearances are fetched once and kept under a limit."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from assay_inference.appearance_files import AppearanceFiles
from assay_shared.errors import NotFound, Unavailable
from assay_shared.keys import model_folder


class Shelf:
    """A store of a few objects that counts how often it is asked."""

    def __init__(self, **files: bytes) -> None:
        self.objects = {model_folder("acme", "v1") + name: data for name, data in files.items()}
        self.asked = 0

    def get(self, bucket: str, key: str, limit: int | None = None) -> bytes:
        self.asked += 1
        if key not in self.objects:
            raise NotFound(f"no object {key}")
        return self.objects[key]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_file_is_fetched_once(tmp_path: Path) -> None:
    store = Shelf(a=b"one")
    files = AppearanceFiles(store, tmp_path, 1000)
    paths = [files.fetch("acme", "v1", "a", sha256(b"one")) for _ in range(3)]
    assert {path.read_bytes() for path in paths} == {b"one"}
    assert store.asked == 1


def test_what_was_used_longest_ago_makes_room(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    data = {name: name.encode() * 400 for name in names}
    files = AppearanceFiles(Shelf(**data), tmp_path, 1000)
    paths = []
    for age, name in enumerate(names):
        paths.append(files.fetch("acme", "v1", name, sha256(data[name])))
        os.utime(paths[-1], (1000 + age, 1000 + age))
    assert [path.exists() for path in paths] == [False, True, True]


def test_a_file_that_is_not_that_of_the_version_is_refused(tmp_path: Path) -> None:
    files = AppearanceFiles(Shelf(a=b"other"), tmp_path, 1000)
    with pytest.raises(Unavailable, match="damaged"):
        files.fetch("acme", "v1", "a", sha256(b"one"))
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="lacks"):
        AppearanceFiles(Shelf(), tmp_path, 1000).fetch("acme", "v1", "a", sha256(b"one"))
