"""Lossless turning: the same coefficients in other places, whatever the sampling and the scans."""

from __future__ import annotations

import dataclasses
import io
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from assay_ingest import libjpeg
from assay_ingest.jpeg_rotation import can_rotate_losslessly, rotate_losslessly
from assay_ingest.jpeg_segments import JpegParts, parse_jpeg
from assay_ingest.libjpeg import Blocks, LibjpegFailed, rewrite_coefficients
from assay_ingest.orientation import make_upright
from tests.support.pictures import save, upright_picture

INVERSE = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
SAMPLINGS = {"4:4:4": (8, 8), "4:2:2": (16, 8), "4:2:0": (16, 16)}


def coefficients(data: bytes) -> list[Blocks]:
    found: list[Blocks] = []

    def collect(old: Blocks, new: Blocks) -> None:
        found.append(old.copy())
        new[:] = old

    rewrite_coefficients(data, transpose=False, rearrange=collect)
    return found


def turned(parts: JpegParts, orientation: int) -> bytes:
    result = rotate_losslessly(dataclasses.replace(parts, orientation=orientation))
    assert result is not None
    return result


def grey(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("L")


@settings(max_examples=40, deadline=None)
@given(
    orientation=st.integers(2, 8),
    sampling=st.sampled_from(sorted(SAMPLINGS)),
    columns=st.integers(1, 6),
    rows=st.integers(1, 6),
    progressive=st.booleans(),
    seed=st.integers(0, 9),
)
def test_turning_there_and_back_gives_every_coefficient_back(
    orientation: int, sampling: str, columns: int, rows: int, progressive: bool, seed: int
) -> None:
    wide, high = SAMPLINGS[sampling]
    picture = upright_picture(columns * wide, rows * high, seed)
    parts = parse_jpeg(save(picture, "JPEG", subsampling=sampling, progressive=progressive, quality=85))
    there = turned(parts, orientation)
    # 4:2:2 turned on its side is 4:4:0, which has whole MCUs as well.
    back = turned(parse_jpeg(there), INVERSE[orientation])
    for before, after in zip(coefficients(parts.clean), coefficients(back), strict=True):
        assert np.array_equal(before, after)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_turned_picture_is_the_picture_turned(orientation: int, mode: str) -> None:
    data = save(upright_picture(64, 48).convert(mode), "JPEG", subsampling="4:4:4", quality=90)
    expected = np.asarray(make_upright(grey(data), orientation), dtype=np.int16)
    shown = np.asarray(grey(turned(parse_jpeg(data), orientation)), dtype=np.int16)
    assert shown.shape == expected.shape
    # The inverse transform rounds each place on its own: turned, it may round the other way.
    assert np.abs(shown - expected).max() <= 3
    assert np.abs(shown - expected).mean() < 0.1


def test_every_coefficient_only_moves_or_changes_its_sign() -> None:
    parts = parse_jpeg(save(upright_picture(48, 32), "JPEG", subsampling="4:2:0"))
    for before, after in zip(coefficients(parts.clean), coefficients(turned(parts, 7)), strict=True):
        assert before.shape[:2] == after.shape[1::-1]
        assert np.array_equal(np.sort(np.abs(before), axis=None), np.sort(np.abs(after), axis=None))


@pytest.mark.parametrize(
    ("size", "whole"), [((64, 48), True), ((60, 48), False), ((64, 40), False), ((8, 8), False)]
)
def test_only_whole_mcus_are_turned_losslessly(size: tuple[int, int], whole: bool) -> None:
    parts = parse_jpeg(save(upright_picture(*size), "JPEG", subsampling="4:2:0"))
    assert can_rotate_losslessly(parts) is whole
    assert (rotate_losslessly(dataclasses.replace(parts, orientation=6)) is not None) is whole


def test_damaged_scan_data_is_not_turned() -> None:
    parts = parse_jpeg(save(upright_picture(64, 64), "JPEG"))
    middle = len(parts.skeleton) + (len(parts.clean) - len(parts.skeleton)) // 2
    cut = dataclasses.replace(parts, clean=parts.clean[:middle] + b"\xff\xd9", orientation=3)
    assert rotate_losslessly(cut) is None


def test_a_fatal_error_of_libjpeg_stops_its_use_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libjpeg, "_broken", threading.Event())
    data = save(upright_picture(16, 16), "JPEG")
    no_frame = data[: data.index(b"\xff\xc0")] + b"\xff\xd9"
    with pytest.raises(LibjpegFailed, match="fatal"):
        coefficients(no_frame)
    assert not libjpeg.available()
    parts = dataclasses.replace(parse_jpeg(data), orientation=3)
    assert rotate_losslessly(parts) is None


def test_coefficients_out_of_range_are_refused() -> None:
    wild = np.zeros((1, 1, 64), dtype=np.int16)
    wild[0, 0, 5] = 1024
    with pytest.raises(LibjpegFailed, match="range"):
        libjpeg._check_range([wild])
    wild[0, 0, 5] = -1024
    with pytest.raises(LibjpegFailed, match="range"):
        libjpeg._check_range([wild])
    wild[0, 0, 5], wild[0, 0, 0] = -1023, -1024
    libjpeg._check_range([wild])
