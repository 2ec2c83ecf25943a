"""EAN-13 as a printer prints it: bars, guard bars, quiet zones and the digits below."""

import numpy as np
from PIL import Image, ImageDraw

from deploy.local.photos.ink import Bytes, font

QUIET_LEFT, QUIET_RIGHT, MODULES = 11, 7, 95
"""Widths in modules: the quiet zones and the symbol itself (GS1 General Specifications, section 5.2)."""

_L = (
    "0001101",
    "0011001",
    "0010011",
    "0111101",
    "0100011",
    "0110001",
    "0101111",
    "0111011",
    "0110111",
    "0001011",
)
_R = tuple(code.translate(str.maketrans("01", "10")) for code in _L)
_G = tuple(code[::-1] for code in _R)
_PARITY = ("LLLLLL", "LLGLGG", "LLGGLG", "LLGGGL", "LGLLGG", "LGGLLG", "LGGGLL", "LGLGLG", "LGLGGL", "LGGLGL")


def encode_ean13(gtin: str) -> str:
    """Return the 95 modules of an EAN-13 as text, `1` for a bar and `0` for a space."""
    left = "".join(
        (_L if parity == "L" else _G)[int(digit)]
        for parity, digit in zip(_PARITY[int(gtin[0])], gtin[1:7], strict=True)
    )
    right = "".join(_R[int(digit)] for digit in gtin[7:])
    return f"101{left}01010{right}101"


def draw_ean13(gtin: str, module: int, bar_height: int) -> Bytes:
    """Draw a printed EAN-13 as HxWx3 uint8: black on white, `module` pixels wide per module.

    Its width is 115 modules (quiet zones and a margin of one module each side), its height `bar_height`
    plus room for the digits, which are 10 modules tall.
    """
    origin = QUIET_LEFT + 1
    width = (origin + MODULES + QUIET_RIGHT + 1) * module
    pad, digits_height = 3 * module, 11 * module
    picture = np.full((pad + bar_height + digits_height, width, 3), 250, np.uint8)
    for place, bit in enumerate(encode_ean13(gtin)):
        if bit == "1":
            guard = place < 3 or place >= 92 or 45 <= place < 50
            bottom = pad + bar_height + (5 * module if guard else 0)
            picture[pad:bottom, (origin + place) * module : (origin + place + 1) * module] = 16
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    face = font("DejaVuSansMono", 10 * module)
    for place, digit in enumerate(gtin):
        column = 2 if place == 0 else origin + 3 + 7 * (place - 1) + (5 if place > 6 else 0)
        pen.text((column * module, pad + bar_height), digit, font=face, fill=(16, 16, 16))
    return np.asarray(image)
