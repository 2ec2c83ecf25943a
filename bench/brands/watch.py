"""A watch with a plain dial: a tiny logo, three tiny words, marks of the hours."""

from collections.abc import Callable
from dataclasses import replace
from math import cos, pi, sin, tau

import numpy as np
from PIL import Image, ImageDraw

from bench.brands.bodies import Body, cutout
from bench.brands.lettering import GROTESK, MODERN, SANS_BOLD, Grid, Type
from bench.brands.material import add_grain, to_alpha
from bench.brands.product import Identity
from bench.brands.sheet import Element, Sheet, figure, line, logo
from deploy.local.photos.ink import Bytes, Colour, Floats, draw_layer, hsv

Drawer = Callable[[int, int], Image.Image]

_WATCH = Grid(1100, 2200)
_DIAL, _CASE = 400, 490
"""Radii of the dial and of the case in pixels."""


def design_watch(who: Identity) -> tuple[Sheet, Body]:
    """Invent a brand's watch."""
    return Sheet(_ground(who), tuple(_parts(who))), cutout(_outline(), 0.7)


def _outline() -> Floats:
    def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
        w, h = _WATCH.width * f, _WATCH.height * f
        pen.rounded_rectangle((w * 0.25, 2 * f, w * 0.75, h - 3 * f), 60 * f, fill=(255, 255, 255, 255))
        pen.ellipse(_ring(f, _CASE), fill=(255, 255, 255, 255))
        pen.rounded_rectangle(
            (w / 2 + 470 * f, h / 2 - 60 * f, w / 2 + 545 * f, h / 2 + 60 * f),
            16 * f,
            fill=(255, 255, 255, 255),
        )

    return to_alpha(draw_layer(_WATCH.width, _WATCH.height, draw))


def _ground(who: Identity) -> Bytes:
    """Strap, case and dial, all plain."""
    strap, metal = hsv(who.hue + 0.05, 0.5, 0.3), (196, 198, 202)
    dial = hsv(who.hue, 0.55, 0.36)

    def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
        w, h = _WATCH.width * f, _WATCH.height * f
        pen.rectangle((0, 0, w, h), fill=strap)
        for x in (0.29, 0.71):
            for step in range(46):
                y = h * step / 46
                pen.line(
                    (w * x, y, w * x, y + h / 80), fill=hsv(who.hue + 0.05, 0.25, 0.62), width=round(5 * f)
                )
        pen.rounded_rectangle(
            (w / 2 + 460 * f, h / 2 - 60 * f, w / 2 + 545 * f, h / 2 + 60 * f), 16 * f, fill=(150, 152, 156)
        )
        for share in range(60):
            tone = round(150 + 70 * abs(share / 30 - 1))
            pen.ellipse(_ring(f, _CASE - share * 1.2), fill=(tone, tone + 1, tone + 4))
        pen.ellipse(_ring(f, _DIAL + 14), fill=metal)
        pen.ellipse(_ring(f, _DIAL), fill=dial)

    ground = np.array(draw_layer(_WATCH.width, _WATCH.height, draw).convert("RGB"))
    return add_grain(who, ground, 0.015, (110, 60))


def _parts(who: Identity) -> list[Element]:
    """The marks of the hours, the hands, a window for the date, and three tiny words."""
    pale: Colour = (236, 232, 220)
    x, y = _WATCH.width // 2, _WATCH.height // 2
    box = (x - _DIAL, y - _DIAL, 2 * _DIAL, 2 * _DIAL)
    kinds = ((0, 1, 2, 4, 5, 6, 7, 8, 10, 11), (9,))
    hours = [
        figure(name, box, _draw_hours(marks, pale), name == "mark of nine")
        for name, marks in zip(("hours", "mark of nine"), kinds, strict=True)
    ]
    small = Type(GROTESK, 40, pale, "middle")
    return [
        *hours,
        figure("date", (x + 240, y - 36, 96, 72), _draw_date),
        logo((x, y - 205), 84, who.emblem, hsv(who.hue, 0.3, 0.8), hsv(who.hue, 0.6, 0.2)),
        line("name", (x - 180, y - 160, 360, 60), who.name.upper(), Type(MODERN, 56, pale, "middle")),
        line("movement", (x - 150, y + 130, 300, 50), "AUTOMATIC", small, "AUTOQUARTZ"),
        line(
            "depth",
            (x - 150, y + 180, 300, 50),
            "50 m / 165 ft",
            replace(small, size=36),
            "30 m / 100 ft",
            removable=True,
        ),
        figure("hands", box, lambda w, h: _draw_hands(w, pale), False),
    ]


def _draw_hours(marks: tuple[int, ...], ink: Colour) -> Drawer:
    def draw(width: int, height: int) -> Image.Image:
        def paint(pen: ImageDraw.ImageDraw, f: float) -> None:
            r = width * f / 2
            for hour in marks:
                t = tau * hour / 12 - pi / 2
                inner = 0.78 if hour % 3 == 0 else 0.84
                pen.line(
                    (
                        r + inner * r * cos(t),
                        r + inner * r * sin(t),
                        r + 0.94 * r * cos(t),
                        r + 0.94 * r * sin(t),
                    ),
                    fill=ink,
                    width=round(f * 16),
                )

        return draw_layer(width, height, paint)

    return draw


def _draw_date(width: int, height: int) -> Image.Image:
    window = Image.new("RGBA", (width, height), (242, 242, 238, 255))
    pen = ImageDraw.Draw(window)
    pen.rectangle((0, 0, width - 1, height - 1), outline=(120, 120, 120), width=5)
    stamp = Image.new("RGB", (width, height), (242, 242, 238))
    line("", (0, 0, width, height), "", Type(SANS_BOLD, 52, (20, 20, 20), "middle")).paint(
        stamp, (8, 0, width - 16, height), "12"
    )
    window.paste(stamp.crop((8, 8, width - 8, height - 8)), (8, 8))
    return window


def _draw_hands(width: int, ink: Colour) -> Image.Image:
    def paint(pen: ImageDraw.ImageDraw, f: float) -> None:
        r = width * f / 2
        for turn, reach, thick in ((-pi * 5 / 6, 0.5, 26), (-pi / 6 + 0.02, 0.74, 18), (pi * 0.6, 0.8, 5)):
            pen.line(
                (
                    r - 0.1 * r * cos(turn),
                    r - 0.1 * r * sin(turn),
                    r + reach * r * cos(turn),
                    r + reach * r * sin(turn),
                ),
                fill=ink,
                width=round(f * thick),
            )
        pen.ellipse((r - 22 * f, r - 22 * f, r + 22 * f, r + 22 * f), fill=ink)

    return draw_layer(width, width, paint)


def _ring(f: float, radius: float) -> tuple[float, float, float, float]:
    x, y, r = _WATCH.width * f / 2, _WATCH.height * f / 2, radius * f
    return x - r, y - r, x + r, y + r
