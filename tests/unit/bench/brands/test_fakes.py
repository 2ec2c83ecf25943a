"""Fakes as prints: each kind alters what it names and nothing else."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from bench.brands.catalog import FAMILIES
from bench.brands.fakes import HUE_SHIFTS, KINDS, LINES, STRETCH, forge
from bench.brands.press import choose_run, turn_hue
from bench.brands.product import Product
from bench.brands.sheet import print_sheet

Invent = Callable[[str], Product]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["missing-element", "altered-text", "moved-logo"])
def test_a_local_fake_differs_within_its_region_alone(family: str, kind: str, product: Invent) -> None:
    sheet = product(f"{family}-1").sheet
    genuine = print_sheet(sheet).pixels
    for variant in range(2):
        forged = forge(sheet, kind, variant, np.random.default_rng(variant))
        assert forged.region is not None
        left, top, width, height = forged.region
        changed = np.any(genuine != forged.print.pixels, axis=2)
        assert forged.note == "without hologram" or changed[top : top + height, left : left + width].any()
        changed[top : top + height, left : left + width] = False
        assert not changed.any()
        assert width * height < 0.3 * changed.size


@pytest.mark.parametrize("family", ["medicine", "can"])
def test_the_variants_of_a_fake_alter_different_things(family: str, product: Invent) -> None:
    sheet = product(f"{family}-1").sheet
    for kind in ("missing-element", "altered-text", "moved-logo"):
        notes = {forge(sheet, kind, variant, np.random.default_rng(0)).note for variant in range(4)}
        assert len(notes) >= 3, (kind, notes)


def test_a_missing_seal_is_no_mark_any_more(product: Invent) -> None:
    sheet = product("medicine-1").sheet
    forgeries = [forge(sheet, "missing-element", variant, np.random.default_rng(0)) for variant in range(5)]
    without = [forged for forged in forgeries if forged.note == "without hologram"]
    assert without
    for forged in without:
        assert set(forged.print.marks) == {"logo"}
        assert forged.print.hologram is None


def test_a_moved_logo_keeps_its_size_and_stays_on_the_face(product: Invent) -> None:
    sheet = product("toy-1").sheet
    genuine = print_sheet(sheet).marks["logo"]
    height, width = sheet.ground.shape[:2]
    for variant in range(3):
        moved = forge(sheet, "moved-logo", variant, np.random.default_rng(0)).print.marks["logo"]
        shift = moved - genuine
        assert np.allclose(shift, shift[0])
        assert 0.03 < np.abs(shift[0]).max() / max(width, height) < 0.08
        assert (moved >= 0).all()
        assert (moved <= (width, height)).all()


def test_a_reprint_has_lost_its_fine_print(product: Invent) -> None:
    sheet = product("medicine-1").sheet

    def measure_detail(pixels: np.ndarray) -> float:
        return float(np.std(cv2.Laplacian(pixels, cv2.CV_32F)))

    forged = forge(sheet, "low-resolution", 0, np.random.default_rng(1))
    assert measure_detail(forged.print.pixels) < 0.5 * measure_detail(print_sheet(sheet).pixels)
    assert LINES[0] <= int(forged.note.split()[2]) < LINES[1]


def test_another_hue_leaves_greys_alone_and_turns_colours_by_so_much() -> None:
    grey = np.full((4, 4, 3), 131, np.uint8)
    assert np.abs(turn_hue(grey, 15).astype(int) - 131).max() <= 1
    muted = np.full((4, 4, 3), (150, 120, 110), np.uint8)

    def measure_hue(pixels: np.ndarray) -> float:
        red, green, blue = pixels[0, 0].astype(float)
        return float(np.degrees(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)))

    assert measure_hue(turn_hue(muted, 15)) - measure_hue(muted) == pytest.approx(15, abs=8)


def test_a_hue_shift_is_far_outside_what_print_runs_do() -> None:
    runs = [abs(choose_run(np.random.default_rng(seed)).hue) for seed in range(300)]
    assert max(runs) < HUE_SHIFTS[0] / 2
    assert np.std(runs) > 0.3


def test_wrong_proportions_go_one_way_by_eight_percent(product: Invent) -> None:
    sheet = product("medicine-1").sheet
    ratios = set()
    for curved in (False, True):
        for variant in range(4):
            forged = forge(sheet, "proportions", variant, np.random.default_rng(0), curved)
            across, along = forged.stretch
            assert 1.0 in (across, along)
            assert not curved or along == 1.0
            ratios.add(round(across / along, 4))
    assert ratios == {round(STRETCH, 4), round(1 / STRETCH, 4)}


def test_an_unknown_kind_is_refused(product: Invent) -> None:
    with pytest.raises(ValueError, match="use one of hue-shift"):
        forge(product("medicine-1").sheet, "glitter", 0, np.random.default_rng(0))
    assert len(KINDS) == 6
