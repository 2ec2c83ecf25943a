"""Words on a print: fonts, lines, paragraphs, all within a place given in pixels."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from deploy.local.photos.ink import Colour, font

Place = tuple[int, int, int, int]
"""Left, top, width, height in pixels of the print."""

SANS, SANS_BOLD, SLANTED = "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique"
SERIF, SERIF_BOLD = "DejaVuSerif", "DejaVuSerif-Bold"
TIMES, TIMES_BOLD, TIMES_SLANTED = "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic"
MODERN, MODERN_BOLD, GROTESK = "cmr10", "cmb10", "cmss10"
TYPEWRITER = "DejaVuSansMono"
"""Fonts of matplotlib's wheel. Those of Computer Modern (`cm…`) have ASCII only."""

_SMALLEST = 14


@dataclass(frozen=True)
class Grid:
    """A face of so many pixels, on which places are given in thousandths of its width and height."""

    width: int
    height: int

    def at(self, left: int, top: int, width: int, height: int) -> Place:
        """Return a place in pixels."""
        x, y = self.spot(left, top)
        return x, y, width * self.width // 1000, height * self.height // 1000

    def spot(self, x: int, y: int) -> tuple[int, int]:
        """Return a point in pixels."""
        return x * self.width // 1000, y * self.height // 1000


@dataclass(frozen=True)
class Type:
    """How words are set: size in pixels, `squeeze` the width of letters as a share of their natural one."""

    font: str
    size: int
    ink: Colour
    align: Literal["left", "middle", "right"] = "left"
    squeeze: float = 1.0
    leading: float = 1.28


def write_line(canvas: Image.Image, place: Place, words: str, type: Type) -> None:
    """Write one line in the middle of the height of `place`, smaller where it would not fit the width."""
    left, top, width, height = place
    natural = _measure(words, type)
    if natural > width:
        type = replace(type, size=max(_SMALLEST, int(type.size * width / natural)))
    _put(canvas, (left, top + height / 2), width, words, type)


def write_paragraph(canvas: Image.Image, place: Place, words: str, type: Type) -> None:
    """Write words from the top of `place` on, broken at its width, smaller where they would not fit."""
    left, top, width, height = place
    lines = _break(words, width, type)
    while len(lines) * type.size * type.leading > height and type.size > _SMALLEST:
        type = replace(type, size=type.size - 1)
        lines = _break(words, width, type)
    for row, line in enumerate(lines):
        _put(canvas, (left, top + (row + 0.5) * type.size * type.leading), width, line, type)


def _put(canvas: Image.Image, start: tuple[float, float], width: int, words: str, type: Type) -> None:
    face = _face(type)
    across = face.getlength(words)
    pad = type.size
    stamp = Image.new("L", (int(across) + 2 * pad, 2 * type.size))
    ImageDraw.Draw(stamp).text((pad, type.size), words, font=face, fill=255, anchor="lm")
    wide = max(1, round(stamp.width * type.squeeze))
    if wide != stamp.width:
        stamp = stamp.resize((wide, stamp.height), Image.Resampling.BICUBIC)
    free = width - across * type.squeeze
    shift = {"left": 0.0, "middle": free / 2, "right": free}[type.align]
    corner = round(start[0] + shift - pad * type.squeeze), round(start[1] - type.size)
    canvas.paste(type.ink, corner, stamp)


def _break(words: str, width: int, type: Type) -> list[str]:
    lines: list[str] = []
    for paragraph in words.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and _measure(longer, type) > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines


@lru_cache(maxsize=4096)
def _measure(words: str, type: Type) -> float:
    return float(_face(type).getlength(words)) * type.squeeze


def _face(type: Type) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return font(type.font, type.size)
