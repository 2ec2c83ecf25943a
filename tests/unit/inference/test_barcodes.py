from __future__ import annotations

import cv2
import numpy as np
import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from assay_inference.barcodes import Barcode, find_quickly, find_thoroughly, read_gtin
from assay_inference.pictures import Picture, decode
from assay_shared.errors import InvalidRequest
from assay_shared.gtin import check_digit
from tests.support.pictures import save

FORMATS = zxingcpp.BarcodeFormat
GTIN = "04006381333931"


def draw_code(text: str, kind: zxingcpp.BarcodeFormat, width: int = 420) -> np.ndarray:
    code = np.array(zxingcpp.write_barcode_to_image(zxingcpp.create_barcode(text, kind), scale=4))
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
    [code] = find_thoroughly(picture)
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
    [found] = find_thoroughly(picture, (1900, 900, 2300, 1300))
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
    assert find_thoroughly(picture) == list[Barcode]()


@given(st.sampled_from([7, 11, 12, 13]), st.data())
def test_gtins_are_taken_in_all_forms(length: int, data: st.DataObject) -> None:
    body = data.draw(st.text("0123456789", min_size=length, max_size=length))
    gtin = body + str(check_digit(body))
    padded = gtin.zfill(14)
    assert read_gtin(f" {gtin} ") == padded
    wrong = body + str((check_digit(body) + 1) % 10)
    with pytest.raises(InvalidRequest, match="check digit"):
        read_gtin(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "https://id.gs1.org/01/04006381333931",
        "https://brand.example/some/01/04006381333931/10/A?17=271231",
        "(01)04006381333931(10)AB",
        "0104006381333931",
        "4006381-333931",
    ],
)
def test_links_and_element_strings_name_a_gtin(text: str) -> None:
    assert read_gtin(text) == GTIN


@pytest.mark.parametrize("text", ["", "hello", "https://example.com", "12345", "(10)ABC", "٤٠٠٦٣٨١٣٣٣٩٣١"])
def test_what_holds_no_gtin_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"gtin|GTIN"):
        read_gtin(text)
