from __future__ import annotations

import cv2
import numpy as np
import pytest

from assay_inference.bars import draw_lines, find_bars
from assay_inference.ean import fit_ean13
from deploy.local.photos.barcode import draw_ean13

GTIN = "4006381333931"


def photograph(angle: float, side: int = 700) -> np.ndarray:
    code = draw_ean13(GTIN, 3, 120)[..., 0]
    scene = np.full((side, side), 170, np.uint8)
    top, left = (side - code.shape[0]) // 2, (side - code.shape[1]) // 2
    scene[top : top + code.shape[0], left : left + code.shape[1]] = code
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1.0)
    return np.asarray(cv2.warpAffine(scene, turn, (side, side), borderValue=(170.0,)), np.uint8)


@pytest.mark.parametrize("angle", [0, 17, 45, 71, 90, 133, 180, 250])
def test_bars_are_found_and_straightened_at_any_angle(angle: int) -> None:
    scene = photograph(angle)
    bars = find_bars(scene)[0]
    across = np.degrees(bars.angle) % 180
    expected = -angle % 180  # rows count downwards
    assert min(abs(across - expected), 180 - abs(across - expected)) < 2
    fits = [fit_ean13(line.values, line.module) for line in draw_lines(scene, bars)]
    assert any(fit is not None and fit.sure and fit.digits == GTIN for fit in fits)


def test_a_patch_maps_back_to_where_it_was() -> None:
    scene = photograph(30)
    line = draw_lines(scene, find_bars(scene)[0])[0]
    height, width = line.patch.shape
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    places = corners @ line.to_picture[:, :2].T + line.to_picture[:, 2]
    assert np.allclose(places.mean(axis=0), 350, atol=25)


def test_plain_paper_noise_and_small_pictures_have_no_bars() -> None:
    rng = np.random.default_rng(3)
    assert find_bars(np.full((300, 400), 120, np.uint8)) == []
    assert find_bars(np.clip(rng.normal(120, 20, (300, 400)), 0, 255).astype(np.uint8)) == []
    assert find_bars(np.zeros((9, 400), np.uint8)) == []
