"""Cartons of toys: a colourful scene with animals, a loud title, stars and warnings."""

from collections.abc import Callable
from dataclasses import replace
from math import pi

import numpy as np
from PIL import Image, ImageDraw

from bench.brands.bodies import carton
from bench.brands.lettering import (
    GROTESK,
    SANS,
    SANS_BOLD,
    SERIF_BOLD,
    TIMES_BOLD,
    Grid,
    Place,
    Type,
    write_line,
)
from bench.brands.ornaments import draw_burst, draw_medal, draw_ribbon
from bench.brands.product import LOGO, SEAL, Identity, Product, identify
from bench.brands.sheet import Element, Sheet, figure, line, logo, paragraph
from bench.brands.words import TOYS, say
from deploy.local.photos.emblem import logo_outline
from deploy.local.photos.ink import Bytes, Colour, draw_layer, hsv

_TITLES = (
    ("JUNGLE JAM", "JUNGLE JOB"),
    ("FOREST FRIENDS", "FOREST FIENDS"),
    ("ROCKET RALLY", "ROCKET RELAY"),
    ("PUDDLE PIRATES", "PUDDLE PARROTS"),
)
_LINES = (
    ("build, race and rescue!", "build, chase and rescue!"),
    ("a game for 2 to 6 players", "a game for 2 to 4 players"),
    ("every box tells a story", "every box hides a story"),
    ("new: with glowing eyes", "new: with moving eyes"),
)
_FONTS = (SANS_BOLD, TIMES_BOLD, SERIF_BOLD)


def design(seed: int) -> Product:
    """Invent toy brand number `seed`."""
    who = identify("toy", seed)
    grid = (Grid(2200, 1600), Grid(1650, 2200), Grid(1900, 1900))[seed % 3]
    vivid, other = hsv(who.hue, 0.85, 0.9), hsv(who.hue + 0.42, 0.8, 0.95)
    sheet = Sheet(
        _scenery(who, grid, seed),
        (*_animals(who, grid, seed), *_words(who, grid, seed, vivid, other)),
        paper=(0, 0, grid.width, grid.height),
    )
    return Product(who.slug, who.name, who.gtin, sheet, carton(0.34, 0.5, vivid), (LOGO, SEAL))


def _words(who: Identity, grid: Grid, seed: int, vivid: Colour, other: Colour) -> list[Element]:
    title, below = _TITLES[seed % len(_TITLES)], _LINES[(seed * 3) % len(_LINES)]
    said = say(who.rng(2), TOYS, 5)
    pieces = (48, 120, 36)[seed % 3]
    font = _FONTS[seed % len(_FONTS)]
    dark, white = hsv(who.hue, 0.9, 0.25), (255, 255, 252)
    edge = min(grid.width, grid.height)
    top = (70, 110, 60)[seed % 3]
    seal = figure(
        "seal",
        (*grid.spot(*((860, 800), (60, 740), (70, 790))[seed % 3]), edge // 7, edge // 7),
        lambda w, _: draw_medal(w, dark, white, "SAFE TOY * TESTED * ", "OK", 30),
    )
    star = grid.spot(*((720, 320), (690, 620), (740, 640))[seed % 3])
    ribbon = grid.at(*((240, 260, 520, 80), (160, 265, 680, 60), (180, 245, 640, 72))[seed % 3])
    return [
        logo(
            grid.spot(*((105, 130), (120, 80), (885, 130))[seed % 3]),
            round(edge * 0.15),
            who.emblem,
            dark,
            white,
        ),
        _title(
            grid.at(*((190, top, 760, 170), (60, top, 880, 130), (50, top, 740, 160))[seed % 3]),
            title,
            font,
            vivid,
            dark,
        ),
        figure("ribbon", ribbon, lambda w, h: draw_ribbon(w, h, other, hsv(who.hue + 0.42, 0.8, 0.6))),
        line(
            "ribbon/line",
            (ribbon[0], ribbon[1], ribbon[2], round(ribbon[3] * 0.78)),
            below[0],
            Type(GROTESK, round(ribbon[3] * 0.55), dark, "middle"),
            below[1],
        ),
        figure(
            "star",
            (*star, round(edge * 0.25), round(edge * 0.22)),
            lambda w, h: draw_burst(w, h, (255, 226, 60), (196, 20, 30), f"{pieces}\nPIECES", 14),
        ),
        replace(seal, mark=SEAL, outline=tuple(logo_outline(0))),
        line(
            "age",
            grid.at(*((40, 830, 110, 110), (760, 200, 200, 60), (60, 270, 110, 90))[seed % 3]),
            f"{3 + seed % 3}+",
            Type(SANS_BOLD, 120, white, "middle"),
            f"{6 + seed % 3}+",
            removable=True,
        ),
        line(
            "maker",
            grid.at(*((60, 935, 400, 40), (60, 940, 500, 30), (60, 935, 400, 36))[seed % 3]),
            f"{who.name} Playworks",
            Type(font, 56, white),
            f"{who.name} Paperworks",
        ),
        paragraph(
            "notice",
            grid.at(*((170, 850, 420, 80), (300, 850, 420, 80), (300, 850, 420, 80))[seed % 3]),
            said[:2],
            Type(SANS, 36, white),
        ),
        paragraph(
            "warning",
            grid.at(*((600, 850, 240, 120), (740, 850, 230, 110), (740, 860, 230, 110))[seed % 3]),
            said[2:],
            Type(SANS, 30, white),
            removable=True,
        ),
    ]


def _title(place: Place, words: tuple[str, str], font: str, fill: Colour, dark: Colour) -> Element:
    """A title with a thick outline and a shadow."""

    def paint(canvas: Image.Image, at: Place, text: str) -> None:
        left, top, width, height = at
        for right, down in ((14, 16), (-7, 0), (7, 0), (0, -7), (0, 7), (5, 5), (-5, 5), (5, -5), (-5, -5)):
            write_line(
                canvas, (left + right, top + down, width, height), text, Type(font, height, dark, "middle")
            )
        write_line(canvas, at, text, Type(font, height, (255, 252, 240), "middle"))

    return Element("title", place, paint, words[0], words[1:])


def _scenery(who: Identity, grid: Grid, seed: int) -> Bytes:
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


def _animals(who: Identity, grid: Grid, seed: int) -> list[Element]:
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
