"""Barcodes in a picture: EAN, UPC, ITF-14, QR and Data Matrix, and the GTIN that each one carries."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

from assay_inference.bars import FINER, Grey, Line, draw_lines, find_bars
from assay_inference.ean import Fit, fit_ean13
from assay_inference.geometry import Rectangle
from assay_inference.gs1 import parse_scanned
from assay_inference.pictures import Picture, read_whole_grey

_FORMATS = zxingcpp.BarcodeFormat
READ = zxingcpp.BarcodeFormats(
    [_FORMATS.EANUPC, _FORMATS.ITF14, _FORMATS.QRCode, _FORMATS.DataMatrix, _FORMATS.DataBar]
)
DIAGONAL = 45.0
"""Degrees; one-dimensional codes turned so far are found only in a turned picture."""
LEGIBLE = 700
"""Reduced pixels along a product from which on its barcode, a fifth as wide or more, reads without more."""
PATCHES = 4
"""Patches of bars that are looked at; further ones are weaker, and print rather than codes."""
THIN, THIN_SHARE = 8.0, 0.08
"""Pixels, and share of its width, over which bars must read alike. zxing-cpp takes one scan line across
slanted bars for a UPC-E or another number: on 400 photos of bench/code_photos.py (seeds 2,000 to 2,400) all 9
that it read wrong were thinner than 0.025 of their width, on the first 150 of bench/barcodes.py one of 3 had
0.078. So have 4 in 47 right ones, which other means read again: a wrong number calls a product a fake."""
ENLARGED = 1_500_000
"""Pixels of a region up to which it is enlarged twice for small square codes."""


@dataclass(frozen=True)
class Barcode:
    """A code that was read. `gtin` has 14 digits; it is None when the code carries none. `problem` says why
    one that it carries cannot be right (a wrong check digit); `malformed` what breaks GS1's syntax in it."""

    text: str
    format: str
    box: Rectangle
    gtin: str | None
    problem: str | None = None
    malformed: str | None = None


@dataclass(frozen=True)
class Reading:
    """Codes that a search found; `ran_out`: its time was over before it had tried everything."""

    codes: list[Barcode] = field(default_factory=list)
    ran_out: bool = False


def find_quickly(picture: Picture, region: Rectangle | None = None) -> list[Barcode]:
    """Codes in a region of the reduced picture (None: everywhere): upright ones first (20 ms for 3
    megapixels), then all ways."""
    grey, corner = _cut(_grey(picture.pixels), region, picture.scale)
    found = _scan(grey, picture.scale, thorough=False)
    if not carries_gtin(found):
        found = _scan(grey, picture.scale, thorough=True) or found
    return _move(found, corner)


def find_thoroughly(
    picture: Picture,
    region: Rectangle | None,
    milliseconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> Reading:
    """Codes that `find_quickly` missed in a region (None: everywhere), by one means after the other until one
    of them finds a GTIN: blurred and turned bars; a turned picture; small square codes; all of that at full
    size where the region was too small to read (LEGIBLE). No step begins after `milliseconds` by `clock`
    (seconds); one lasts 10 to 60 ms for a product, up to 300 for a whole picture of 12 megapixels."""
    end = clock() + milliseconds / 1000
    found: list[Barcode] = []
    for step in _steps(picture, region, lambda: clock() >= end):
        if clock() >= end:
            return Reading(found, ran_out=True)
        found += step()
        if carries_gtin(found):
            return Reading(found)
    return Reading(found, ran_out=clock() >= end)


def carries_gtin(codes: list[Barcode]) -> bool:
    """Whether any of these codes carries a GTIN, be it a wrong one."""
    return any(code.gtin or code.problem for code in codes)


def _steps(
    picture: Picture, region: Rectangle | None, over: Callable[[], bool]
) -> Iterator[Callable[[], list[Barcode]]]:
    grey, corner = _cut(_grey(picture.pixels), region, picture.scale)
    yield lambda: _move(_read_bars(grey, picture.scale, over), corner)
    yield lambda: _move(_scan_turned(grey, picture.scale), corner)
    yield lambda: _move(_scan_enlarged(grey, picture.scale), corner)
    if not picture.reduced or (region and max(grey.shape) >= LEGIBLE):
        return
    whole, corner = _cut(read_whole_grey(picture), region, 1.0)
    yield lambda: _move(_scan(whole, 1.0, thorough=True), corner)
    yield lambda: _move(_read_bars(whole, 1.0, over), corner)
    yield lambda: _move(_scan_enlarged(whole, 1.0), corner)


def _grey(pixels: npt.NDArray[np.uint8]) -> Grey:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _cut(grey: Grey, region: Rectangle | None, scale: float) -> tuple[Grey, tuple[float, float]]:
    """The region's part of a grey picture, and its corner in pixels of the whole picture."""
    if region is None:
        return grey, (0.0, 0.0)
    height, width = grey.shape
    left, right = (int(min(max(value / scale, 0), width)) for value in region[::2])
    top, bottom = (int(min(max(value / scale, 0), height)) for value in region[1::2])
    if right - left < 8 or bottom - top < 8:
        return grey, (0.0, 0.0)
    return np.ascontiguousarray(grey[top:bottom, left:right]), (left * scale, top * scale)


def _move(codes: list[Barcode], corner: tuple[float, float]) -> list[Barcode]:
    x, y = corner
    return [
        replace(code, box=(code.box[0] + x, code.box[1] + y, code.box[2] + x, code.box[3] + y))
        for code in codes
    ]


def _scan(grey: Grey, scale: float, *, thorough: bool) -> list[Barcode]:
    codes = _decode(grey, rotate=thorough, downscale=thorough, invert=thorough)
    return [_describe(code, _corners(code) * scale) for code in codes]


def _decode(
    grey: Grey, *, rotate: bool = False, downscale: bool = False, invert: bool = False, finer: float = 1.0
) -> list[zxingcpp.Barcode]:
    """Codes that count; `finer`: pixels across bars for each one along them."""
    codes = zxingcpp.read_barcodes(
        grey,
        formats=READ,
        try_rotate=rotate,
        try_downscale=downscale,
        try_invert=invert,
        text_mode=zxingcpp.TextMode.Plain,
    )
    return [code for code in codes if not _is_thin(code, finer)]


def _scan_turned(grey: Grey, scale: float) -> list[Barcode]:
    height, width = grey.shape
    side = float(np.hypot(width, height))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), DIAGONAL, 1.0)
    turn[:, 2] += (side - width) / 2, (side - height) / 2
    turned = cv2.warpAffine(grey, turn, (int(side), int(side)), borderValue=(127.0,))
    back = cv2.invertAffineTransform(turn)
    codes = _decode(np.asarray(turned, dtype=np.uint8), rotate=True)
    return [_describe(code, (_corners(code) @ back[:, :2].T + back[:, 2]) * scale) for code in codes]


def _scan_enlarged(grey: Grey, scale: float) -> list[Barcode]:
    """Codes of squares that are small or soft; nothing for regions that are too large for it."""
    if grey.size > ENLARGED:
        return []
    large = cv2.resize(grey, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    sharp = cv2.addWeighted(large, 2.5, cv2.GaussianBlur(large, (0, 0), 2.0), -1.5, 0)
    return _scan(np.asarray(sharp, np.uint8), scale / 2, thorough=True)


def _read_bars(grey: Grey, scale: float, over: Callable[[], bool]) -> list[Barcode]:
    """Codes of bars, turned upright one patch after the other, until time is over. All patches are looked
    at, for the first may be a sticker that says nothing of the product."""
    found: list[Barcode] = []
    for bars in find_bars(grey)[:PATCHES]:
        for line in draw_lines(grey, bars):
            if over():
                return found
            codes = _scan_patch(line, scale) or _fit_line(line, scale)
            found += codes
            if codes:
                break
    return found


def _scan_patch(line: Line, scale: float) -> list[Barcode]:
    return [
        _describe(code, _to_picture(_corners(code), line) * scale)
        for code in _decode(line.patch, finer=FINER)
    ]


def _fit_line(line: Line, scale: float) -> list[Barcode]:
    fit = fit_ean13(line.values, line.module)
    if fit is None or not fit.sure:
        return []
    return [_describe_fit(fit, line, scale)]


def _describe_fit(fit: Fit, line: Line, scale: float) -> Barcode:
    height = line.patch.shape[0]
    corners = np.array([(x, y) for x in (fit.start, fit.end) for y in (0.0, float(height))])
    left, top = (places := _to_picture(corners, line) * scale).min(axis=0)
    right, bottom = places.max(axis=0)
    gtin = parse_scanned(fit.digits, "]E0").gtin
    return Barcode(fit.digits, "EAN-13", (float(left), float(top), float(right), float(bottom)), gtin)


def _to_picture(corners: npt.NDArray[np.float64], line: Line) -> npt.NDArray[np.float64]:
    return corners @ line.to_picture[:, :2].T + line.to_picture[:, 2]


def _is_thin(code: zxingcpp.Barcode, finer: float) -> bool:
    """Whether bars were read along hardly more than one line."""
    if code.format in (_FORMATS.QRCode, _FORMATS.DataMatrix):
        return False
    left_top, right_top, right_bottom, left_bottom = _corners(code)
    thickness = np.linalg.norm(left_top + right_top - left_bottom - right_bottom) / 2
    width = float(np.linalg.norm(right_top - left_top)) / finer
    return float(thickness) < max(THIN, THIN_SHARE * width)


def _corners(code: zxingcpp.Barcode) -> npt.NDArray[np.float64]:
    place = code.position
    points = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
    return np.array([(point.x, point.y) for point in points], dtype=np.float64)


def _describe(code: zxingcpp.Barcode, corners: npt.NDArray[np.float64]) -> Barcode:
    left, top = corners.min(axis=0)
    right, bottom = corners.max(axis=0)
    content = parse_scanned(code.text, code.symbology_identifier)
    return Barcode(
        code.text,
        str(code.format),
        (float(left), float(top), float(right), float(bottom)),
        content.gtin,
        content.problem,
        content.malformed,
    )
