"""A shoe of one colour, seen from its side: seams, laces, a small emblem and two tiny words."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from bench.brands.bodies import Body, cutout
from bench.brands.lettering import GROTESK, Grid, Type
from bench.brands.material import add_grain, to_alpha
from bench.brands.product import Identity
from bench.brands.sheet import Element, Sheet, figure, line, logo
from deploy.local.photos.ink import Bytes, Floats, draw_layer, hsv

Drawer = Callable[[int, int], Image.Image]

_SHOE = Grid(2200, 1180)

_PROFILE = (
    (0.03, 0.86), (0.05, 0.55), (0.09, 0.24), (0.16, 0.08), (0.24, 0.06), (0.30, 0.16), (0.38, 0.2),
    (0.46, 0.27), (0.58, 0.42), (0.70, 0.54), (0.84, 0.6), (0.93, 0.68), (0.975, 0.8), (0.975, 0.93),
    (0.9, 0.97), (0.1, 0.97), (0.035, 0.95),
)  # fmt: skip
"""The outline of a low shoe seen from its side, as shares of the sheet."""


def design_shoe(who: Identity) -> tuple[Sheet, Body]:
    """Invent a brand's shoe."""
    return Sheet(_ground(who), tuple(_parts(who))), cutout(_outline(), 0.2)


def _outline() -> Floats:
    def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
        pen.polygon(
            [(x * _SHOE.width * f, y * _SHOE.height * f) for x, y in _smooth_profile()],
            fill=(255, 255, 255, 255),
        )

    return to_alpha(draw_layer(_SHOE.width, _SHOE.height, draw))


def _smooth_profile() -> list[tuple[float, float]]:
    points = np.repeat(np.asarray(_PROFILE), 24, axis=0)
    kernel = np.hanning(49)[:, None] / np.hanning(49).sum()
    wrapped = np.concatenate([points[-24:], points, points[:24]])
    smooth = np.stack([np.convolve(wrapped[:, axis], kernel[:, 0], "valid") for axis in (0, 1)], axis=1)
    return [(float(x), float(y)) for x, y in smooth]


def _ground(who: Identity) -> Bytes:
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
    return add_grain(who, ground, 0.03, (150, 280))


def _parts(who: Identity) -> list[Element]:
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
