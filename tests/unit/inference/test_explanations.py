"""Pictures that explain verdicts are kept for a while and under a limit."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from assay_inference.explanations import Explanations


def test_a_picture_can_be_had_with_its_brand(tmp_path: Path) -> None:
    kept = Explanations(tmp_path, 60, 1000)
    kept.keep("acme", "ver_1", b"picture")
    assert kept.find("ver_1") == ("acme", b"picture")
    assert kept.find("ver_2") is None


@pytest.mark.parametrize("name", ["*", "../acme/ver_1", "ver_?", "", "ver_1.jpg"])
def test_only_a_verification_names_a_picture(tmp_path: Path, name: str) -> None:
    kept = Explanations(tmp_path, 60, 1000)
    kept.keep("acme", "ver_1", b"picture")
    assert kept.find(name) is None


def test_what_is_old_is_not_given_out_and_goes(tmp_path: Path) -> None:
    kept = Explanations(tmp_path, 60, 1000)
    kept.keep("acme", "ver_1", b"picture")
    path = tmp_path / "acme" / "ver_1.jpg"
    os.utime(path, (time.time() - 61, time.time() - 61))
    assert kept.find("ver_1") is None
    kept.sweep()
    assert not path.exists()


def test_the_oldest_make_room(tmp_path: Path) -> None:
    kept = Explanations(tmp_path, 600, 1000)
    for age in range(3):
        kept.keep("acme", f"ver_{age}", b"x" * 400)
        when = time.time() - 100 + age
        os.utime(tmp_path / "acme" / f"ver_{age}.jpg", (when, when))
    kept.sweep()
    assert [kept.find(f"ver_{age}") is not None for age in range(3)] == [False, True, True]
