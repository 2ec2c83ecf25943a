"""Logos and seals: the marks that tell a genuine package."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, sin, tau

import cv2
import numpy as np
from PIL import Image, ImageDraw

from deploy.local.photos.ink import Bytes, Colour, Floats, draw_layer, font

Point = tuple[float, float]
OUTLINES, MOTIFS = 6, 8


def draw_logo(outline: int, motif: int, dark: Colour, bright: Colour, size: int) -> Image.Image:
    """Draw an emblem as a square RGBA picture: `motif` in `bright` inside `outline` filled with `dark`."""
    shape = logo_outline(outline)

    def draw(pen: ImageDraw.ImageDraw, factor: float) -> None:
        place = _placer(size * factor)
        pen.polygon([place(point) for point in shape], fill=dark)
        inner = [(x * 0.89, y * 0.89) for x, y in shape]
        pen.line(
            [place(point) for point in (*inner, inner[0])], fill=bright, width=round(size * factor * 0.022)
        )
        for polygon in _motif(motif):
            pen.polygon([place(point) for point in polygon], fill=bright)
        for polygon in _motif_holes(motif):
            pen.polygon([place(point) for point in polygon], fill=dark)

    return draw_layer(size, size, draw, oversample=4)


def logo_outline(outline: int) -> list[Point]:
    """Return the emblem's outer shape as points of the square from -1 to 1."""
    shapes = (
        _ring(64, 1.0),
        _ring(6, 1.0, pi / 6),
        [(-0.9, -0.95), (0.9, -0.95), (0.9, 0.1), (0.62, 0.62), (0.0, 1.0), (-0.62, 0.62), (-0.9, 0.1)],
        [(_squircle(cos(t)), _squircle(sin(t))) for t in np.linspace(0, tau, 64, endpoint=False)],
        _ring(4, 1.0),
        [
            (r * cos(t), r * sin(t))
            for t in np.linspace(0, tau, 96, endpoint=False)
            for r in [0.93 + 0.07 * cos(12 * t)]
        ],
    )
    return list(shapes[outline % OUTLINES])


def _motif(motif: int) -> list[list[Point]]:
    """Return the bright polygons of a motif, within radius 0.75."""
    match motif % MOTIFS:
        case 0:
            return [_petal(turn, 0.72, 0.2) for turn in np.arange(6) * tau / 6]
        case 1:
            return [
                [(-0.7, 0.45), (-0.2, -0.4), (0.12, 0.1), (0.3, -0.15), (0.7, 0.45)],
                _ring(24, 0.13, 0, (0.38, -0.42)),
            ]
        case 2:
            return [_wave(level) for level in (-0.42, -0.08, 0.26)]
        case 3:
            return [_star(5, 0.72, 0.3)]
        case 4:
            return [_ring(40, 0.62)]
        case 5:
            return [
                [
                    (-0.6, top + 0.34),
                    (0, top),
                    (0.6, top + 0.34),
                    (0.6, top + 0.56),
                    (0, top + 0.22),
                    (-0.6, top + 0.56),
                ]
                for top in (-0.62, -0.22, 0.18)
            ]
        case 6:
            return [
                _petal(-pi / 2, 0.75, 0.34),
                _petal(-pi / 2 - 1.0, 0.62, 0.2),
                _petal(-pi / 2 + 1.0, 0.62, 0.2),
                [(-0.05, 0), (0.05, 0), (0.05, 0.68), (-0.05, 0.68)],
            ]
        case _:
            return [_star(12, 0.72, 0.5)]


def _motif_holes(motif: int) -> list[list[Point]]:
    """Return what is cut out of a motif again."""
    match motif % MOTIFS:
        case 0:
            return [_ring(24, 0.14)]
        case 4:
            return [_ring(40, 0.5, 0, (0.22, -0.1))]
        case 7:
            return [_petal(turn, 0.4, 0.12) for turn in np.arange(4) * tau / 4]
        case _:
            return []


@dataclass(frozen=True)
class SealPrint:
    """A hologram seal before light: square maps of one size.

    `relief` is its brightness (0 to 1), `phase` where its colours stand in the rainbow (turns),
    `alpha` its coverage (0 to 1).
    """

    relief: Floats
    phase: Floats
    alpha: Floats


@lru_cache(maxsize=16)
def draw_seal(motif: int, text: str, size: int) -> SealPrint:
    """Draw a round seal of `size` pixels: guilloche, ticks, a ring of micro text and the brand's motif."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(axis, axis)
    radius, turn = np.hypot(x, y), np.arctan2(y, x)
    edge = 0.955 + 0.03 * np.cos(40 * turn)
    alpha = np.clip((edge - radius) * size / 3, 0, 1)
    guilloche = np.sin(46 * radius + 3.2 * np.sin(9 * turn)) * np.sin(46 * radius - 3.2 * np.sin(9 * turn))
    relief = 0.74 + 0.2 * guilloche
    relief = np.where((radius > 0.56) & (radius < 0.78), 0.88, relief)
    ticks = (radius > 0.8) & (radius < 0.9) & (np.cos(72 * turn) > 0)
    relief = np.where(ticks, 0.3, relief)
    relief = np.where(np.abs(radius - 0.925) < 0.014, 0.22, relief)
    relief = np.where(np.abs(radius - 0.55) < 0.014, 0.25, relief)
    ink = np.asarray(_seal_ink(motif, text, size), np.float32) / 255
    relief = relief * (1 - ink) + 0.16 * ink
    phase = radius * 1.1 + 0.18 * np.sin(3 * turn) + 0.35 * x
    return SealPrint(_f32(relief), _f32(phase), _f32(alpha))


def colour_seal(seal: SealPrint, view: float, strength: float = 0.32) -> Bytes:
    """Light a seal seen from `view` (turns of its rainbow): HxWx3 uint8. `strength` 0 is plain silver."""
    hue = (seal.phase + view) % 1.0
    picture = np.empty((*hue.shape, 3), np.float32)
    picture[..., 0] = hue * 360
    picture[..., 1] = strength
    picture[..., 2] = np.clip(seal.relief * (0.93 + 0.2 * np.sin(tau * (hue * 2 + view))), 0, 1)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_HSV2RGB) * 255, np.uint8)


def _seal_ink(motif: int, text: str, size: int) -> Image.Image:
    """Return the seal's dark print (micro text ring and motif) as a mask."""
    big = size * 2
    mask = Image.new("L", (big, big))
    place = _placer(big)
    pen = ImageDraw.Draw(mask)
    for polygon in _motif(motif):
        pen.polygon([place((x * 0.55, y * 0.55)) for x, y in polygon], fill=255)
    for polygon in _motif_holes(motif):
        pen.polygon([place((x * 0.55, y * 0.55)) for x, y in polygon], fill=0)
    glyphs = (f"{text.upper()} · GENUINE · " * 3)[:44]
    face = font("DejaVuSans-Bold", round(big * 0.085))
    cell = round(big * 0.12)
    for index, glyph in enumerate(glyphs):
        turn = tau * index / len(glyphs)
        stamp = Image.new("L", (cell, cell))
        ImageDraw.Draw(stamp).text((cell / 2, cell / 2), glyph, font=face, fill=255, anchor="mm")
        stamp = stamp.rotate(-turn * 360 / tau, Image.Resampling.BICUBIC)
        centre = place((0.67 * sin(turn), -0.67 * cos(turn)))
        mask.paste(255, (round(centre[0] - cell / 2), round(centre[1] - cell / 2)), stamp)
    return mask.resize((size, size), Image.Resampling.BOX)


def _placer(size: float) -> Callable[[Point], Point]:
    return lambda point: ((point[0] + 1) / 2 * (size - 1), (point[1] + 1) / 2 * (size - 1))


def _ring(corners: int, radius: float, turn: float = 0.0, centre: Point = (0.0, 0.0)) -> list[Point]:
    angles = [turn + tau * corner / corners for corner in range(corners)]
    return [(centre[0] + radius * cos(t), centre[1] + radius * sin(t)) for t in angles]


def _star(tips: int, outer: float, inner: float) -> list[Point]:
    angles = [-pi / 2 + pi * step / tips for step in range(2 * tips)]
    return [
        ((inner if step % 2 else outer) * cos(t), (inner if step % 2 else outer) * sin(t))
        for step, t in enumerate(angles)
    ]


def _petal(turn: float, length: float, width: float) -> list[Point]:
    along = np.linspace(0, 1, 24)
    side = width * np.sin(pi * along) ** 1.2
    line = [*zip(along * length, side, strict=True), *zip(along[::-1] * length, -side[::-1], strict=True)]
    return [(a * cos(turn) - b * sin(turn), a * sin(turn) + b * cos(turn)) for a, b in line]


def _wave(level: float) -> list[Point]:
    x = np.linspace(-0.66, 0.66, 40)
    y = level + 0.11 * np.sin(x * 7)
    return [*zip(x, y, strict=True), *zip(x[::-1], y[::-1] + 0.2, strict=True)]


def _squircle(value: float) -> float:
    return float(np.sign(value) * abs(value) ** 0.5) * 0.92


def _f32(values: object) -> Floats:
    return np.asarray(values, np.float32)
