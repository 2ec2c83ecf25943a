"""The scene on a toy's carton: sky, hills, flowers, and animals that are all different."""

from collections.abc import Callable
from math import pi

import numpy as np
from PIL import Image, ImageDraw

from bench.brands.lettering import (
    Grid,
)
from bench.brands.product import Identity
from bench.brands.sheet import Element, figure
from deploy.local.photos.ink import Bytes, Colour, draw_layer, hsv


def paint_scenery(who: Identity, grid: Grid, seed: int) -> Bytes:
    """Sky with a sun and clouds, hills, and a dark strip below."""
    rng = who.rng(3)
    sky, ground = who.hue + 0.5, who.hue + (0.15, 0.0, 0.75)[seed % 3]

    def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
        w, h = grid.width * f, grid.height * f
        for row in range(40):
            pen.rectangle(
                (0, h * row / 40, w, h * (row + 1) / 40 + 1),
                fill=hsv(sky, 0.55 - 0.011 * row, 0.75 + 0.006 * row),
            )
        x, y, r = w * (0.2 + 0.3 * (seed % 3)), h * 0.36, h * 0.13
        for ray in range(16):
            t = 2 * pi * ray / 16
            pen.polygon(
                [
                    (x, y),
                    (x + 2.4 * r * np.cos(t), y + 2.4 * r * np.sin(t)),
                    (x + 2.4 * r * np.cos(t + 0.16), y + 2.4 * r * np.sin(t + 0.16)),
                ],
                fill=hsv(0.14, 0.35, 1.0),
            )
        pen.ellipse((x - r, y - r, x + r, y + r), fill=hsv(0.13, 0.7, 1.0))
        for _ in range(5):
            x, y = w * float(rng.random()), h * float(rng.uniform(0.25, 0.45))
            for step in range(4):
                r = h * float(rng.uniform(0.03, 0.06))
                pen.ellipse((x + step * r - r, y - r, x + step * r + r, y + r * 0.8), fill=(250, 252, 255))
        across = np.linspace(0, w, 90)
        for step in range(3):
            level = h * (0.5 + 0.1 * step) + h * 0.05 * np.sin(
                across / w * (4 + 2 * step) + float(rng.uniform(0, 6))
            )
            pen.polygon(
                [(0, h), *zip(across, level, strict=True), (w, h)],
                fill=hsv(ground + 0.03 * step, 0.6, 0.8 - 0.15 * step),
            )
        for _ in range(46):
            x, y, r = w * float(rng.random()), h * float(rng.uniform(0.68, 0.83)), h * 0.006
            for side in (-1, 0, 1):
                pen.ellipse(
                    (x + side * r * 1.6 - r, y - r, x + side * r * 1.6 + r, y + r),
                    fill=hsv(float(rng.random()), 0.6, 1.0),
                )
        pen.rectangle((0, h * 0.835, w, h), fill=hsv(who.hue, 0.8, 0.3))

    return np.asarray(draw_layer(grid.width, grid.height, draw).convert("RGB"))


def list_animals(who: Identity, grid: Grid, seed: int) -> list[Element]:
    """Three animals in a row, each its own figure, all different."""
    rng = who.rng(4)
    animals = []
    size = round(min(grid.width / 3.4, grid.height * 0.34))
    for number in range(3):
        hue, ears, belly = who.hue + 0.2 + 0.27 * number, int(rng.integers(3)), float(rng.uniform(0.5, 0.7))
        x = round(grid.width * (0.05 + 0.3 * number))
        y = round(grid.height * (0.43 + 0.06 * ((number + seed) % 2)))
        draw = _animal(hue, (ears + number) % 3, belly)
        animals.append(figure(f"animal {number + 1}", (x, y, size, size), draw, number == 1))
    return animals


def _animal(hue: float, ears: int, belly: float) -> Callable[[int, int], Image.Image]:
    def draw_at(width: int, height: int) -> Image.Image:
        def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
            w = width * f

            def disc(x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
                pen.ellipse(((x - rx) * w, (y - ry) * w, (x + rx) * w, (y + ry) * w), fill=fill)

            fur, dark, pale = hsv(hue, 0.7, 0.85), hsv(hue, 0.8, 0.5), hsv(hue, 0.25, 1.0)
            disc(0.5, 0.76, 0.27, 0.22, fur)
            disc(0.5, 0.8, 0.27 * belly, 0.16, pale)
            for side in (-1, 1):
                match ears:
                    case 0:
                        disc(0.5 + side * 0.22, 0.18, 0.1, 0.1, fur)
                        disc(0.5 + side * 0.22, 0.18, 0.055, 0.055, dark)
                    case 1:
                        disc(0.5 + side * 0.13, 0.14, 0.06, 0.14, fur)
                        disc(0.5 + side * 0.13, 0.15, 0.03, 0.1, pale)
                    case _:
                        pen.polygon(
                            [
                                ((0.5 + side * s) * w, y * w)
                                for s, y in ((0.06, 0.2), (0.24, 0.02), (0.27, 0.28))
                            ],
                            fill=fur,
                        )
                disc(0.5 + side * 0.17, 0.95, 0.1, 0.05, dark)
                disc(0.5 + side * 0.27, 0.7, 0.07, 0.12, fur)
            disc(0.5, 0.38, 0.28, 0.25, fur)
            disc(0.5, 0.46, 0.14, 0.1, pale)
            disc(0.5, 0.42, 0.04, 0.03, (40, 30, 30))
            pen.arc(
                (0.44 * w, 0.43 * w, 0.56 * w, 0.53 * w), 20, 160, fill=(60, 40, 40), width=round(0.012 * w)
            )
            for side in (-1, 1):
                disc(0.5 + side * 0.1, 0.32, 0.045, 0.055, (255, 255, 255))
                disc(0.5 + side * 0.09, 0.33, 0.024, 0.03, (20, 20, 26))

        return draw_layer(width, height, draw)

    return draw_at
