"""What explains verdicts is kept for a while and under a limit."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from assay_inference.explanations import AppearancePlace, Explanation, Explanations

PLACE = AppearancePlace(brand="acme", version="mdl_1", file="appearance/0.safetensors", sha256="0" * 64)
ONE = Explanation(PLACE, b"sketch\nwith lines")


def test_each_product_has_its_own(tmp_path: Path) -> None:
    kept = Explanations(tmp_path, 60, 1000)
    kept.keep("ver_1", 0, ONE)
    kept.keep("ver_1", 1, Explanation(PLACE, b"other"))
    assert kept.find("ver_1", 0) == ONE
    assert kept.find("ver_1", 1) == Explanation(PLACE, b"other")
    assert kept.find("ver_1", 2) is None
    assert kept.find("ver_2", 0) is None


@pytest.mark.parametrize("name", ["*", "../acme/ver_1", "ver_?", "", "ver_1.0"])
def test_only_a_verification_names_an_explanation(tmp_path: Path, name: str) -> None:
    kept = Explanations(tmp_path, 60, 1000)
    kept.keep("ver_1", 0, ONE)
    assert kept.find(name, 0) is None


def test_what_is_old_is_not_given_out_and_goes(tmp_path: Path) -> None:
    kept = Explanations(tmp_path, 60, 1000)
    kept.keep("ver_1", 0, ONE)
    path = tmp_path / "acme" / "ver_1.0"
    os.utime(path, (time.time() - 61, time.time() - 61))
    assert kept.find("ver_1", 0) is None
    kept.sweep()
    assert not path.exists()


def test_the_oldest_make_room(tmp_path: Path) -> None:
    kept = Explanations(tmp_path, 600, 1200)
    for age in range(3):
        kept.keep(f"ver_{age}", 0, Explanation(PLACE, b"x" * 400))
        when = time.time() - 100 + age
        os.utime(tmp_path / "acme" / f"ver_{age}.0", (when, when))
    kept.sweep()
    assert [kept.find(f"ver_{age}", 0) is not None for age in range(3)] == [False, True, True]
