"""Things with hardly any print: a watch with a tiny logo, a shoe of one colour with a small emblem."""

from collections.abc import Callable
from dataclasses import replace
from math import cos, pi, sin, tau

import cv2
import numpy as np
from PIL import Image, ImageDraw

from bench.brands.bodies import cutout
from bench.brands.lettering import GROTESK, MODERN, SANS_BOLD, Grid, Type
from bench.brands.product import LOGO, Identity, Product, identify
from bench.brands.sheet import Element, Sheet, figure, line, logo
from deploy.local.photos.ink import Bytes, Colour, Floats, draw_layer, hsv, smooth_noise

Drawer = Callable[[int, int], Image.Image]

_WATCH, _SHOE = Grid(1100, 2200), Grid(2200, 1180)
_DIAL, _CASE = 400, 490
"""Radii of a watch's dial and case in pixels."""


def design(seed: int) -> Product:
    """Invent brand number `seed` of plain things: odd ones are watches, even ones shoes."""
    who = identify("plain", seed)
    if seed % 2:
        alpha, sheet = _watch_outline(), Sheet(_watch_ground(who), tuple(_watch_parts(who)))
        body = cutout(alpha, 0.7)
    else:
        alpha, sheet = _shoe_outline(), Sheet(_shoe_ground(who), tuple(_shoe_parts(who)))
        body = cutout(alpha, 0.2)
    return Product(who.slug, who.name, who.gtin, sheet, body, (LOGO,))


def _watch_outline() -> Floats:
    def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
        w, h = _WATCH.width * f, _WATCH.height * f
        pen.rounded_rectangle((w * 0.25, 2 * f, w * 0.75, h - 3 * f), 60 * f, fill=(255, 255, 255, 255))
        pen.ellipse(_ring(f, _CASE), fill=(255, 255, 255, 255))
        pen.rounded_rectangle(
            (w / 2 + 470 * f, h / 2 - 60 * f, w / 2 + 545 * f, h / 2 + 60 * f),
            16 * f,
            fill=(255, 255, 255, 255),
        )

    return _alpha(draw_layer(_WATCH.width, _WATCH.height, draw))


def _watch_ground(who: Identity) -> Bytes:
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
    return _grain(who, ground, 0.015, (110, 60))


def _watch_parts(who: Identity) -> list[Element]:
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


_PROFILE = (
    (0.03, 0.86), (0.05, 0.55), (0.09, 0.24), (0.16, 0.08), (0.24, 0.06), (0.30, 0.16), (0.38, 0.2),
    (0.46, 0.27), (0.58, 0.42), (0.70, 0.54), (0.84, 0.6), (0.93, 0.68), (0.975, 0.8), (0.975, 0.93),
    (0.9, 0.97), (0.1, 0.97), (0.035, 0.95),
)  # fmt: skip
"""The outline of a low shoe seen from its side, as shares of the sheet."""


def _shoe_outline() -> Floats:
    def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
        pen.polygon(
            [(x * _SHOE.width * f, y * _SHOE.height * f) for x, y in _smooth_profile()],
            fill=(255, 255, 255, 255),
        )

    return _alpha(draw_layer(_SHOE.width, _SHOE.height, draw))


def _smooth_profile() -> list[tuple[float, float]]:
    points = np.repeat(np.asarray(_PROFILE), 24, axis=0)
    kernel = np.hanning(49)[:, None] / np.hanning(49).sum()
    wrapped = np.concatenate([points[-24:], points, points[:24]])
    smooth = np.stack([np.convolve(wrapped[:, axis], kernel[:, 0], "valid") for axis in (0, 1)], axis=1)
    return [(float(x), float(y)) for x, y in smooth]


def _shoe_ground(who: Identity) -> Bytes:
    """Leather of one colour over a pale sole."""
    leather, sole = hsv(who.hue, 0.5, 0.5), (232, 228, 218)
    ground = np.empty((_SHOE.height, _SHOE.width, 3), np.uint8)
    ground[:] = leather
    y = np.arange(_SHOE.height, dtype=np.float32)[:, None]
    x = np.arange(_SHOE.width, dtype=np.float32)[None, :]
    edge = _SHOE.height * (0.86 + 0.02 * np.sin(x / _SHOE.width * 5))
    ground[y > edge] = sole
    ground[np.abs(y - edge) < 5] = (120, 112, 100)
    shade = 1.08 - 0.3 * (np.abs(y / _SHOE.height - 0.55)) ** 1.2
    ground = np.asarray(np.clip(ground * shade[..., None], 0, 255), np.uint8)
    return _grain(who, ground, 0.03, (150, 280))


def _shoe_parts(who: Identity) -> list[Element]:
    """Seams, laces, a small emblem and two tiny words."""
    tone, thread = hsv(who.hue, 0.55, 0.36), hsv(who.hue, 0.25, 0.72)
    x, y = _SHOE.spot(560, 660)
    whole = (0, 0, _SHOE.width, _SHOE.height)

    def stitch(points: list[tuple[float, float]]) -> Drawer:
        def draw(width: int, height: int) -> Image.Image:
            def paint(pen: ImageDraw.ImageDraw, f: float) -> None:
                places = [(px * width * f, py * height * f) for px, py in points]
                pen.line(places, fill=tone, width=round(10 * f), joint="curve")
                for (ax, ay), (bx, by) in zip(places[::2], places[1::2], strict=False):
                    pen.line((ax, ay + 14 * f, bx, by + 14 * f), fill=thread, width=round(4 * f))

            return draw_layer(width, height, paint)

        return draw

    t = np.linspace(0, 1, 40)
    toe = [*zip(0.7 + 0.1 * t**2, 0.56 + 0.29 * t, strict=True)]
    heel = [*zip(0.2 - 0.06 * t**2, 0.1 + 0.74 * t, strict=True)]
    return [
        figure("toe seam", whole, stitch(toe)),
        figure("heel seam", whole, stitch(heel)),
        figure("laces", whole, _draw_laces, False),
        figure(
            "pull tab",
            (*_SHOE.spot(178, 75), 70, 130),
            lambda w, h: Image.new("RGBA", (w, h), (*thread, 255)),
        ),
        logo((x, y), 150, who.emblem, tone, thread),
        line(
            "word",
            (x - 160, y + 84, 320, 50),
            who.name.lower(),
            Type(GROTESK, 44, thread, "middle"),
            f"{who.name.lower()[:-1]}s",
        ),
        line("size", (*_SHOE.spot(60, 800), 200, 40), "EU 42", Type(GROTESK, 34, thread), "UK 42"),
    ]


def _draw_laces(width: int, height: int) -> Image.Image:
    def paint(pen: ImageDraw.ImageDraw, f: float) -> None:
        for step in range(5):
            x, y = width * (0.4 + 0.055 * step) * f, height * (0.27 + 0.068 * step) * f
            pen.line((x, y, x - 60 * f, y + 120 * f), fill=(240, 238, 230), width=round(22 * f))
            pen.ellipse((x - 74 * f, y + 108 * f, x - 46 * f, y + 136 * f), fill=(60, 56, 52))

    return draw_layer(width, height, paint)


def _grain(who: Identity, ground: Bytes, strength: float, cells: tuple[float, float]) -> Bytes:
    height, width = ground.shape[:2]
    mottle = 1 + strength * smooth_noise(who.rng(7), height, width, cells)
    return np.asarray(np.clip(ground * mottle[..., None], 0, 255), np.uint8)


def _alpha(picture: Image.Image) -> Floats:
    return np.asarray(cv2.GaussianBlur(np.asarray(picture)[..., 3], (0, 0), 0.8), np.float32) / np.float32(
        255
    )


def _ring(f: float, radius: float) -> tuple[float, float, float, float]:
    x, y, r = _WATCH.width * f / 2, _WATCH.height * f / 2, radius * f
    return x - r, y - r, x + r, y + r
