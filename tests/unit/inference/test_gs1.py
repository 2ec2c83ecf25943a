from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_inference.gs1 import Content, parse_scanned, read_gtin
from assay_shared.errors import InvalidRequest
from assay_shared.gtin import check_digit

GTIN = "04006381333931"
WRONG = "04006381333932"
SEPARATOR = "\x1d"


@pytest.mark.parametrize(
    ("symbol", "text"),
    [
        ("]d2", f"01{GTIN}1721123110AB"),
        ("]d2", f"10AB{SEPARATOR}01{GTIN}"),
        ("]d2", f"21XYZ{SEPARATOR}01{GTIN}17271200"),
        ("]d2", f"17271231{'01' + GTIN}21A"),
        ("]d2", f"{SEPARATOR}01{GTIN}"),
        ("]Q3", f"01{GTIN}10A"),
        ("]e0", f"01{GTIN}"),
        ("]d1", f"01{GTIN}"),
        ("]E0", "4006381333931"),
        ("]Q1", f"https://id.gs1.org/01/{GTIN}"),
        ("]Q1", "https://id.gs1.org/01/4006381333931/21/1"),
        ("]Q1", f"HTTPS://ID.GS1.ORG/01/{GTIN}"),
        ("]Q1", f"https://brand.example/some/01/{GTIN}/10/A?17=271231"),
    ],
)
def test_a_gtin_is_found_wherever_it_stands(symbol: str, text: str) -> None:
    assert parse_scanned(text, symbol) == Content(GTIN)


@pytest.mark.parametrize(
    ("symbol", "text"),
    [
        ("]d2", f"01{WRONG}"),
        ("]E0", WRONG[1:]),
        ("]Q1", f"https://id.gs1.org/01/{WRONG}"),
        ("]Q1", f"https://b.example/01/{WRONG}/10/A?17=271399"),
    ],
)
def test_a_wrong_check_digit_is_a_problem(symbol: str, text: str) -> None:
    found = parse_scanned(text, symbol)
    assert found.gtin is None
    assert found.problem is not None
    assert "check digit" in found.problem


@pytest.mark.parametrize(
    ("symbol", "text", "gtin"),
    [
        ("]d2", "010400638133393", None),
        ("]d2", "hello", None),
        ("]d2", f"01{GTIN}1727139910A", GTIN),
        ("]d2", f"01{GTIN}ZZ", GTIN),
        ("]Q1", f"https://b.example/01/{GTIN}/10/A?17=271399", GTIN),
        ("]Q1", f"https://b.example/01/{GTIN}/8003/1", GTIN),
        ("]Q1", "https://b.example/01/040063813339312345", None),
    ],
)
def test_malformed_gs1_data_say_so_and_keep_a_whole_gtin(symbol: str, text: str, gtin: str | None) -> None:
    found = parse_scanned(text, symbol)
    assert (found.gtin, found.problem) == (gtin, None)
    assert found.malformed


@pytest.mark.parametrize(
    ("symbol", "text"),
    [
        ("]d1", "hello"),
        ("]d2", ""),
        ("]d2", "991234"),
        ("]Q1", "https://example.com/hello"),
        ("]Q1", "https://example.com/news/01/2024"),
        ("]Q1", "https://example.com/news/01/20240131"),
        ("]Q1", "https://example.com/01/"),
        ("]Q1", f"https://example.com/?01={GTIN}"),
        ("]Q1", "WIFI:S:net;P:pass;;"),
    ],
)
def test_other_texts_carry_nothing_and_are_no_mistake(symbol: str, text: str) -> None:
    assert parse_scanned(text, symbol) == Content()


@given(st.text(max_size=60), st.sampled_from(["]d2", "]Q1", "]Q3", "]E0", "]e0", ""]))
def test_any_text_is_parsed(text: str, symbol: str) -> None:
    found = parse_scanned(text, symbol)
    assert found.gtin is None or len(found.gtin) == 14


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
        "(10)AB(01)04006381333931",
        "0104006381333931",
        "4006381-333931",
    ],
)
def test_links_and_element_strings_name_a_gtin(text: str) -> None:
    assert read_gtin(text) == GTIN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "https://example.com",
        "12345",
        "(10)ABC",
        "(01)0400638",
        "https://example.com/news/01/2024",
        "٤٠٠٦٣٨١٣٣٣٩٣١",
    ],
)
def test_what_holds_no_gtin_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"gtin|GTIN"):
        read_gtin(text)
