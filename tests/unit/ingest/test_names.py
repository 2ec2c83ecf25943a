from __future__ import annotations

import pytest

from assay_ingest.names import Kind, find_fault, kind_of, split_of, stem_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jpg", Kind.IMAGE),
        ("sub/A.JPEG", Kind.IMAGE),
        ("a b+ü.heic", Kind.IMAGE),
        ("a.jpg.json", Kind.ANNOTATION),
        ("set.ZIP", Kind.ARCHIVE),
        ("a.txt", Kind.OTHER),
        ("noextension", Kind.OTHER),
        ("folder.json/noextension", Kind.OTHER),
        ("json", Kind.OTHER),
    ],
)
def test_kind(name: str, kind: Kind) -> None:
    assert kind_of(name) == kind


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train/a.jpg", "train"),
        ("images/Train2017/a.jpg", "train"),
        ("set/valid/images/a.jpg", "val"),
        ("validation/a.jpg", "val"),
        ("test/a.jpg", "val"),
        ("train/val/a.jpg", "val"),
        ("train.jpg", None),
        ("trainer/a.jpg", None),
        ("a.jpg", None),
    ],
)
def test_split(name: str, split: str | None) -> None:
    assert split_of(name) == split


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.jpg", "a"),
        ("x.y/a.b.jpg", "x.y/a.b"),
        ("x.y/a", "x.y/a"),
        (".jpg", ".jpg"),
        ("s/.json", "s/.json"),
    ],
)
def test_stem(name: str, stem: str) -> None:
    assert stem_of(name) == stem


@pytest.mark.parametrize("name", ["../a.jpg", "a/../b.jpg", "./a.jpg", "a//b.jpg", "a\nb.jpg", "/a.jpg"])
def test_names_that_mean_different_things_to_different_stores(name: str) -> None:
    assert find_fault(name)


def test_odd_names_are_fine() -> None:
    for name in ("..a.jpg", "a b+c%20.jpg", "päckchen 中.jpg", "a" * 1000 + ".jpg"):
        assert find_fault(name) is None
