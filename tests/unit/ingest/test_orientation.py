"""Exif's orientation, read from any bytes without ever failing."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_ingest.orientation import read_orientation
from tests.support.pictures import gps_exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders(orientation: int, order: str) -> None:
    assert read_orientation(gps_exif(orientation)) == orientation
    head = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = head + struct.pack(order + "IH", 8, 1) + entry
    assert read_orientation(exif) == orientation


@given(tail=st.binary(max_size=60))
def test_any_bytes_give_an_orientation(tail: bytes) -> None:
    for head in (b"", b"Exif\0\0II*\0", b"MM\0*\0\0\0\x08"):
        assert 1 <= read_orientation(head + tail) <= 8


def test_a_value_outside_the_standard_means_upright() -> None:
    exif = b"II*\0" + struct.pack("<IHHHIHH", 8, 1, 0x0112, 3, 1, 9, 0)
    assert read_orientation(exif) == 1
