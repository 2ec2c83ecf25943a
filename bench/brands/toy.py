"""Cartons of toys: a colourful scene with animals, a loud title, stars and warnings."""

from dataclasses import replace

from PIL import Image

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
from bench.brands.toy_scene import list_animals, paint_scenery
from bench.brands.words import TOYS, say
from deploy.local.photos.emblem import logo_outline
from deploy.local.photos.ink import Colour, hsv

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
        paint_scenery(who, grid, seed),
        (*list_animals(who, grid, seed), *_words(who, grid, seed, vivid, other)),
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
