"""Barcodes in a picture: EAN, UPC, ITF-14, QR and Data Matrix, and the GTIN that each one carries."""

from __future__ import annotations

from dataclasses import dataclass, replace

import biip
import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

from assay_inference.geometry import Rectangle
from assay_inference.pictures import Picture, decode_whole
from assay_shared.errors import InvalidRequest
from assay_shared.gtin import normalise_gtin

_FORMATS = zxingcpp.BarcodeFormat
READ = zxingcpp.BarcodeFormats(
    [_FORMATS.EANUPC, _FORMATS.ITF14, _FORMATS.QRCode, _FORMATS.DataMatrix, _FORMATS.DataBar]
)
DIAGONAL = 45.0
"""Degrees; one-dimensional codes turned so far are found only in a turned picture."""

LEGIBLE = 700
"""Reduced pixels along a product from which on its barcode, a fifth as wide or more, reads without more."""

Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Barcode:
    """A code that was read. `gtin` has 14 digits; it is None when the code carries none, and `problem`
    says so when it carries one that cannot be right (a wrong check digit)."""

    text: str
    format: str
    box: Rectangle
    gtin: str | None
    problem: str | None = None


def find_quickly(picture: Picture, region: Rectangle | None = None) -> list[Barcode]:
    """Codes in a region of the reduced picture (None: everywhere): upright ones first (20 ms for 3
    megapixels), then all ways."""
    grey, corner = _cut(_grey(picture.pixels), region, picture.scale)
    found = _scan(grey, picture.scale, thorough=False)
    if not carries_gtin(found):
        found = _scan(grey, picture.scale, thorough=True) or found
    return _move(found, corner)


def find_thoroughly(picture: Picture, region: Rectangle | None = None) -> list[Barcode]:
    """Codes that `find_quickly` missed in a region (None: everywhere): turned by 45 degrees, then at full
    size where the region was too small to read (LEGIBLE). 30 ms for a product, hundreds for a whole picture.
    """
    grey, corner = _cut(_grey(picture.pixels), region, picture.scale)
    found = _move(_scan_turned(grey, picture.scale), corner)
    if carries_gtin(found) or not picture.reduced or (region and max(grey.shape) >= LEGIBLE):
        return found
    whole, corner = _cut(_grey(decode_whole(picture)), region, 1.0)
    return _move(_scan(whole, 1.0, thorough=True), corner)


def carries_gtin(codes: list[Barcode]) -> bool:
    """Whether any of these codes carries a GTIN, be it a wrong one."""
    return any(code.gtin or code.problem for code in codes)


def read_gtin(text: str) -> str:
    """The GTIN-14 of what a caller sent: a GTIN, a GS1 Digital Link URI or a GS1 element string, with or
    without brackets. Raises InvalidRequest when there is none in it or its check digit is wrong."""
    text = text.strip()
    if text.replace(" ", "").replace("-", "").isdigit() and len(text) <= 20:
        compact = text.replace(" ", "").replace("-", "")
        if len(compact) in (8, 12, 13, 14):
            return normalise_gtin(compact)
    plain = text.replace("(", "").replace(")", "") if text.startswith("(") else text
    gtin, problem = _parse(plain)
    if gtin is None:
        raise InvalidRequest(
            f"gtin: {text[:80]!r} is no GTIN, GS1 Digital Link or element string with a GTIN"
            + (f" ({problem})" if problem else "")
        )
    return gtin


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
    codes = zxingcpp.read_barcodes(
        grey,
        formats=READ,
        try_rotate=thorough,
        try_downscale=thorough,
        try_invert=thorough,
        text_mode=zxingcpp.TextMode.Plain,
    )
    return [_describe(code, _corners(code) * scale) for code in codes]


def _scan_turned(grey: Grey, scale: float) -> list[Barcode]:
    height, width = grey.shape
    side = float(np.hypot(width, height))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), DIAGONAL, 1.0)
    turn[:, 2] += (side - width) / 2, (side - height) / 2
    turned = cv2.warpAffine(grey, turn, (int(side), int(side)), borderValue=(127.0,))
    back = cv2.invertAffineTransform(turn)
    codes = zxingcpp.read_barcodes(
        np.asarray(turned, dtype=np.uint8),
        formats=READ,
        try_downscale=False,
        try_invert=False,
        text_mode=zxingcpp.TextMode.Plain,
    )
    return [_describe(code, (_corners(code) @ back[:, :2].T + back[:, 2]) * scale) for code in codes]


def _corners(code: zxingcpp.Barcode) -> npt.NDArray[np.float64]:
    place = code.position
    points = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
    return np.array([(point.x, point.y) for point in points], dtype=np.float64)


def _describe(code: zxingcpp.Barcode, corners: npt.NDArray[np.float64]) -> Barcode:
    left, top = corners.min(axis=0)
    right, bottom = corners.max(axis=0)
    web_address = code.text.lower().startswith(("http://", "https://"))
    gtin, problem = _parse(code.text if web_address else code.symbology_identifier + code.text)
    return Barcode(
        code.text,
        str(code.format),
        (float(left), float(top), float(right), float(bottom)),
        gtin,
        problem,
    )


def _parse(text: str) -> tuple[str | None, str | None]:
    """The GTIN-14 in a scanned text, and what is wrong with one that is no GTIN."""
    try:
        parsed = biip.parse(text)
    except (biip.ParseError, ValueError):
        return None, None
    if parsed.gtin is not None:
        return parsed.gtin.as_gtin_14(), None
    problem = parsed.gtin_error
    return None, problem if problem and "check digit" in problem else None
