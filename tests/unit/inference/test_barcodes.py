from __future__ import annotations

import cv2
import numpy as np
import pytest
import zxingcpp
from PIL import Image

from assay_inference.barcodes import Barcode, Reading, carries_gtin, find_quickly, find_thoroughly
from assay_inference.pictures import Picture, decode
from tests.support.pictures import save

FORMATS = zxingcpp.BarcodeFormat
GTIN = "04006381333931"
LONG = 60_000
"""Milliseconds that never run out."""


def draw_code(text: str, kind: zxingcpp.BarcodeFormat, width: int = 420, *, gs1: bool = False) -> np.ndarray:
    made = zxingcpp.create_barcode(text, kind, gs1=True) if gs1 else zxingcpp.create_barcode(text, kind)
    code = np.array(zxingcpp.write_barcode_to_image(made, scale=4))
    code = code if code.ndim == 2 else code[..., 0]
    size = (width, width * code.shape[0] // code.shape[1])
    return np.asarray(cv2.resize(code, size, interpolation=cv2.INTER_AREA), np.uint8)


def photograph(code: np.ndarray, angle: float = 0.0, side: int = 900) -> Picture:
    scene = np.full((side, side), 170, np.uint8)
    top, left = (side - code.shape[0]) // 2, (side - code.shape[1]) // 2
    scene[top : top + code.shape[0], left : left + code.shape[1]] = code
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1.0)
    turned = cv2.warpAffine(scene, turn, (side, side), borderValue=(170.0,))
    return Picture(np.repeat(np.asarray(turned, np.uint8)[..., None], 3, 2), side, side, b"")


@pytest.mark.parametrize(
    ("text", "kind", "gtin"),
    [
        ("4006381333931", FORMATS.EAN13, GTIN),
        ("96385074", FORMATS.EAN8, "00000096385074"),
        ("036000291452", FORMATS.UPCA, "00036000291452"),
        ("14006381333938", FORMATS.ITF14, "14006381333938"),
        ("https://id.gs1.org/01/04006381333931/10/A1", FORMATS.QRCode, GTIN),
        ("010400638133393110AB", FORMATS.DataMatrix, GTIN),
    ],
)
@pytest.mark.parametrize("angle", [0, 90, 180])
def test_codes_are_read_and_give_their_gtin(
    text: str, kind: zxingcpp.BarcodeFormat, gtin: str, angle: int
) -> None:
    codes = find_quickly(photograph(draw_code(text, kind), angle))
    assert [code.gtin for code in codes] == [gtin]
    left, top, right, bottom = codes[0].box
    assert left < 450 < right
    assert top < 450 < bottom


@pytest.mark.parametrize("angle", [45, -45, 40])
def test_a_code_at_45_degrees_is_found_by_turning(angle: float) -> None:
    picture = photograph(draw_code("4006381333931", FORMATS.EAN13), angle)
    [code] = find_thoroughly(picture, None, LONG).codes
    assert code.gtin == GTIN
    x, y = (code.box[0] + code.box[2]) / 2, (code.box[1] + code.box[3]) / 2
    assert abs(x - 450) < 40
    assert abs(y - 450) < 40


def test_a_small_code_is_found_at_full_size_in_its_region() -> None:
    scene = np.full((2600, 3000, 3), 170, np.uint8)
    code = draw_code("4006381333931", FORMATS.EAN13, 190)
    scene[1000 : 1000 + code.shape[0], 2000:2190] = code[..., None]
    picture = decode(save(Image.fromarray(scene), "PNG", compress_level=1), 10**8)
    assert picture.reduced
    assert find_quickly(picture) == []
    [found] = find_thoroughly(picture, (1900, 900, 2300, 1300), LONG).codes
    assert found.gtin == GTIN
    assert 2000 <= found.box[0] < found.box[2] <= 2190
    assert 1000 <= found.box[1] <= found.box[3] <= 1300


def test_a_wrong_check_digit_is_a_problem_and_other_codes_are_nothing() -> None:
    [wrong] = find_quickly(photograph(draw_code("https://id.gs1.org/01/04006381333932", FORMATS.QRCode)))
    assert wrong.gtin is None
    assert wrong.problem is not None
    assert "check digit" in wrong.problem
    [other] = find_quickly(photograph(draw_code("https://example.com/hello", FORMATS.QRCode)))
    assert (other.gtin, other.problem) == (None, None)


def test_a_plain_picture_has_no_codes() -> None:
    picture = photograph(np.full((40, 40), 20, np.uint8))
    assert find_quickly(picture) == []
    assert find_thoroughly(picture, None, LONG) == Reading(list[Barcode]())


@pytest.mark.parametrize(
    "elements",
    [
        "(01)04006381333931(17)271231(10)AB",
        "(10)AB(01)04006381333931",
        "(17)271200(21)A7(01)04006381333931",
    ],
)
@pytest.mark.parametrize("kind", [FORMATS.DataMatrix, FORMATS.QRCode])
def test_gs1_symbols_are_read_with_elements_in_any_order(elements: str, kind: zxingcpp.BarcodeFormat) -> None:
    [code] = find_quickly(photograph(draw_code(elements, kind, gs1=True)))
    assert (code.gtin, code.problem, code.malformed) == (GTIN, None, None)


def test_a_gs1_symbol_that_is_malformed_says_so() -> None:
    link = "https://id.gs1.org/01/040063813339312345"
    [code] = find_quickly(photograph(draw_code(link, FORMATS.QRCode)))
    assert code.gtin is None
    assert code.malformed is not None
    assert not carries_gtin([code])


@pytest.mark.parametrize("angle", [0, 8, 37, 90, 200])
def test_bars_too_blurred_for_others_are_read(angle: float) -> None:
    code = draw_code("4006381333931", FORMATS.EAN13, 300)
    picture = photograph(code, angle)
    module = 300 / 113  # zxing writes 95 modules and 9 of quiet zone on each side
    blurred = cv2.GaussianBlur(picture.pixels, (0, 0), 0.75 * module)
    soft = Picture(np.asarray(blurred, np.uint8), 900, 900, b"")
    assert find_quickly(soft) == []
    [found] = find_thoroughly(soft, None, LONG).codes
    assert (found.text, found.gtin) == ("4006381333931", GTIN)
    x, y = (found.box[0] + found.box[2]) / 2, (found.box[1] + found.box[3]) / 2
    assert abs(x - 450) < 30
    assert abs(y - 450) < 30


def test_a_sticker_is_not_all_that_is_read() -> None:
    scene = np.full((900, 900), 170, np.uint8)
    for place, text in ((120, "4006381333931"), (520, "2012345678903")):
        code = draw_code(text, FORMATS.EAN13, 300)
        scene[place : place + code.shape[0], 200:500] = code
    soft = cv2.GaussianBlur(scene, (0, 0), 2.0)
    picture = Picture(np.repeat(np.asarray(soft, np.uint8)[..., None], 3, 2), 900, 900, b"")
    assert find_quickly(picture) == []
    assert {code.text for code in find_thoroughly(picture, None, LONG).codes} == {
        "4006381333931",
        "2012345678903",
    }


def test_time_that_runs_out_is_told() -> None:
    picture = photograph(draw_code("4006381333931", FORMATS.EAN13), 45)
    assert find_thoroughly(picture, None, 0) == Reading([], ran_out=True)


def test_time_is_told_by_the_clock_that_is_given() -> None:
    ticks = iter(float(second) for second in range(1000))
    picture = Picture(np.full((400, 400, 3), 200, np.uint8), 400, 400, b"")
    assert find_thoroughly(picture, None, 1_500, clock=lambda: next(ticks)).ran_out
    assert not find_thoroughly(picture, None, 1_000_000, clock=lambda: next(ticks)).ran_out
