"""Illustrations and background patterns of the printed artwork."""

from math import cos, pi, sin, tau

import cv2
import numpy as np
from PIL import Image, ImageDraw

from deploy.local.photos.ink import Bytes, draw_layer, gradient, hsv

PATTERNS, PICTURES = 5, 5


def paint_ground(rng: np.random.Generator, width: int, height: int, hue: float, pattern: int) -> Bytes:
    """Paint the panel behind everything: a gradient with a tone-on-tone pattern, HxWx3."""
    start, end = hsv(hue, 0.6, 0.84), hsv(hue + 0.06, 0.76, 0.56)
    ground = gradient(width, height, start, end, float(rng.uniform(0.3, 1.3)))
    x, y = np.meshgrid(
        np.arange(width, dtype=np.float32) / height, np.linspace(0, 1, height, dtype=np.float32)
    )
    match pattern % PATTERNS:
        case 0:
            wave = np.sin(60 * (y + 0.05 * np.sin(9 * x)))
        case 1:
            turn = np.arctan2(y - 0.55, x - 0.36)
            wave = np.sin(28 * turn)
        case 2:
            cell = 0.062
            wave = 0.36 - np.hypot((x / cell + np.floor(y / cell) % 2 * 0.5) % 1 - 0.5, (y / cell) % 1 - 0.5)
        case 3:
            wave = np.sin(70 * np.hypot(x - 0.75, y - 0.05))
        case _:
            wave = np.sin(48 * (x + y)) * np.sin(48 * (x - y))
    share = np.clip(wave * 6 + 0.5, 0, 1) * 0.13
    light = np.asarray(hsv(hue + 0.03, 0.35, 1.0), np.float32)
    return np.asarray(ground * (1 - share[..., None]) + light * share[..., None], np.uint8)


def paint_picture(
    rng: np.random.Generator, width: int, height: int, hue: float, accent: float, picture: int
) -> Image.Image:
    """Paint the hero illustration as an RGBA layer of the given size."""
    painters = (_leaves, _hills, _citrus, _beans, _drop)
    return painters[picture % PICTURES](rng, width, height, hue, accent)


def _leaves(rng: np.random.Generator, width: int, height: int, hue: float, accent: float) -> Image.Image:
    blades = [(i, -pi / 2 + (i - 3) * 0.42, float(rng.uniform(0.75, 1.0))) for i in range(7)]

    def draw(pen: ImageDraw.ImageDraw, factor: float) -> None:
        w, h = width * factor, height * factor
        pen.ellipse(_disc(w * 0.5, h * 0.55, h * 0.44), fill=hsv(accent, 0.22, 0.98))
        for index, turn, share in blades:
            length, half = h * 0.72 * share, h * 0.095
            points = [(float(along), sin(pi * along) ** 0.9) for along in np.linspace(0, 1, 30)]
            outline = points + [(a, -b) for a, b in reversed(points)]
            origin = (w * 0.5, h * 0.92)
            placed = [_polar(origin, turn, a * length, b * half) for a, b in outline]
            pen.polygon(placed, fill=hsv(accent + 0.015 * index, 0.75, 0.42 + 0.06 * (index % 4)))
            vein = [_polar(origin, turn, length * 0.05, 0), _polar(origin, turn, length * 0.95, 0)]
            pen.line(vein, fill=hsv(accent, 0.3, 0.93), width=round(2.5 * factor))
            for step in np.linspace(0.2, 0.8, 6):
                for side in (-1, 1):
                    tip = _polar(origin, turn, length * (step + 0.1), side * half * 0.75 * sin(pi * step))
                    pen.line(
                        [_polar(origin, turn, length * step, 0), tip],
                        fill=hsv(accent, 0.35, 0.85),
                        width=round(1.5 * factor),
                    )

    return draw_layer(width, height, draw)


def _hills(rng: np.random.Generator, width: int, height: int, hue: float, accent: float) -> Image.Image:
    phases = rng.uniform(0, tau, 4)

    def draw(pen: ImageDraw.ImageDraw, factor: float) -> None:
        w, h = width * factor, height * factor
        pen.rounded_rectangle((0, 0, w - 1, h - 1), h * 0.12, fill=hsv(accent + 0.45, 0.3, 0.98))
        pen.ellipse(_disc(w * 0.68, h * 0.34, h * 0.2), fill=hsv(0.11, 0.55, 1.0))
        for step, phase in enumerate(phases):
            x = np.linspace(0, w - 1, 80)
            y = h * (0.42 + 0.13 * step) + h * 0.09 * np.sin(x / w * (5 + step) + phase)
            pen.polygon(
                [(0, h - 1), *zip(x, y, strict=True), (w - 1, h - 1)],
                fill=hsv(accent + 0.02 * step, 0.5 + 0.08 * step, 0.85 - 0.14 * step),
            )

    layer = draw_layer(width, height, draw)
    corner = draw_layer(
        width,
        height,
        lambda pen, f: pen.rounded_rectangle(
            (0, 0, width * f, height * f), height * f * 0.12, fill=(0, 0, 0, 255)
        ),
    )
    layer.putalpha(corner.getchannel("A"))
    return layer


def _citrus(rng: np.random.Generator, width: int, height: int, hue: float, accent: float) -> Image.Image:
    slices = ((0.33, 0.42, 0.36), (0.68, 0.6, 0.36), (0.3, 0.8, 0.17))

    def draw(pen: ImageDraw.ImageDraw, factor: float) -> None:
        w, h = width * factor, height * factor
        for number, (x, y, radius) in enumerate(slices):
            centre, r = (w * x, h * y), h * radius
            tone = accent + 0.02 * number
            pen.ellipse(_disc(*centre, r), fill=hsv(tone, 0.9, 0.92))
            pen.ellipse(_disc(*centre, r * 0.9), fill=hsv(tone, 0.12, 1.0))
            for part in range(9):
                turn = tau * part / 9 + number
                wedge = [
                    _polar(centre, turn + side, r * out, 0)
                    for side, out in ((0, 0.1), (-0.28, 0.76), (-0.14, 0.83), (0.14, 0.83), (0.28, 0.76))
                ]
                pen.polygon(wedge, fill=hsv(tone, 0.72, 0.98))

    return draw_layer(width, height, draw)


def _beans(rng: np.random.Generator, width: int, height: int, hue: float, accent: float) -> Image.Image:
    beans = [
        (
            float(rng.uniform(0.1, 0.9)),
            float(rng.uniform(0.2, 0.9)),
            float(rng.uniform(0, tau)),
            float(rng.uniform(-0.1, 0.12)),
        )
        for _ in range(34)
    ]

    def draw(pen: ImageDraw.ImageDraw, factor: float) -> None:
        w, h = width * factor, height * factor
        pen.ellipse((w * 0.02, h * 0.1, w * 0.98, h * 0.99), fill=hsv(accent, 0.18, 0.97))
        for x, y, turn, tone in sorted(beans, key=lambda bean: bean[1]):
            centre, long, short = (w * (0.18 + 0.64 * x), h * (0.16 + 0.72 * y)), h * 0.105, h * 0.068
            oval = [_polar(centre, turn, long * cos(t), short * sin(t)) for t in np.linspace(0, tau, 36)]
            pen.polygon(oval, fill=hsv(0.06 + tone * 0.1, 0.68, 0.42 + tone))
            crease = [
                _polar(centre, turn, long * s, short * 0.22 * sin(s * 4))
                for s in np.linspace(-0.85, 0.85, 14)
            ]
            pen.line(crease, fill=hsv(0.06, 0.7, 0.2), width=round(4 * factor))

    return draw_layer(width, height, draw)


def _drop(rng: np.random.Generator, width: int, height: int, hue: float, accent: float) -> Image.Image:
    rings = [float(rng.uniform(0.8, 1.0)) for _ in range(5)]

    def draw(pen: ImageDraw.ImageDraw, factor: float) -> None:
        w, h = width * factor, height * factor
        for step, share in enumerate(rings):
            box = (
                w * (0.5 - 0.48 + 0.09 * step),
                h * (0.62 + 0.03 * step),
                w * (0.98 - 0.09 * step),
                h * (0.98 - 0.03 * step),
            )
            pen.ellipse(box, outline=hsv(accent, 0.3, share), width=round(5 * factor))
        for scale, tone in ((1.0, 0.0), (0.72, 0.05), (0.4, 0.09)):
            points = []
            for t in np.linspace(0, tau, 80):
                reach = h * 0.3 * scale
                points.append(
                    (w * 0.5 + reach * sin(t) * sin(t / 2) ** 1.5, h * 0.52 - reach * 1.35 * cos(t))
                )
            pen.polygon(points, fill=hsv(accent + tone, 0.8 - 0.55 * tone * 8, 0.7 + tone * 3))

    return draw_layer(width, height, draw)


def shift_hue(picture: Bytes, turn: float) -> Bytes:
    """Turn the hue of every pixel by `turn` of the colour circle, as a poor copy's inks do."""
    cylinder = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV_FULL)
    cylinder[..., 0] = cylinder[..., 0] + np.uint8(round(turn * 256) % 256)
    return np.asarray(cv2.cvtColor(cylinder, cv2.COLOR_HSV2RGB_FULL), np.uint8)


def _disc(x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    return x - radius, y - radius, x + radius, y + radius


def _polar(origin: tuple[float, float], turn: float, along: float, across: float) -> tuple[float, float]:
    return origin[0] + along * cos(turn) - across * sin(turn), origin[1] + along * sin(turn) + across * cos(
        turn
    )
