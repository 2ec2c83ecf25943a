"""Paper labels and leaflets: two inks on paper, a frame, columns of small print; never quite flat."""

from dataclasses import replace

import numpy as np

from bench.brands.bodies import paper
from bench.brands.lettering import (
    MODERN,
    MODERN_BOLD,
    SERIF,
    SERIF_BOLD,
    TIMES,
    TIMES_BOLD,
    TYPEWRITER,
    Grid,
    Type,
)
from bench.brands.ornaments import draw_frame, draw_medal, draw_rosette, draw_rule
from bench.brands.product import LOGO, SEAL, Identity, Product, identify
from bench.brands.sheet import Element, Sheet, figure, line, logo, paragraph
from bench.brands.words import COSMETICS, FOOD, say
from deploy.local.photos.emblem import logo_outline
from deploy.local.photos.ink import Bytes, Colour, hsv, smooth_noise
from deploy.local.photos.motifs import PICTURES, paint_picture

_FONTS = ((TIMES_BOLD, TIMES), (MODERN_BOLD, MODERN), (SERIF_BOLD, SERIF))
_TITLES = (
    ("Certificate of Origin", "Certificate of Quality"),
    ("Alpine Flower Honey", "Alpine Clover Honey"),
    ("Handmade Soap", "Handmilled Soap"),
)
_LINES = (
    ("picked and packed on the estate", "mixed and packed on the estate"),
    ("from the hives of the upper valley", "from the hives of the lower valley"),
    ("boiled in copper, cut by hand", "boiled in copper, cut by wire"),
)


def design(seed: int) -> Product:
    """Invent brand number `seed` of paper labels."""
    who = identify("leaflet-label", seed)
    grid = (Grid(1550, 2200), Grid(2200, 1450), Grid(1900, 1900))[seed % 3]
    ink, second = hsv(who.hue, 0.75, 0.3), hsv(who.hue + 0.45, 0.75, 0.62)
    sheet = Sheet(
        _paper(who, grid, seed),
        tuple(_elements(who, seed, grid, ink, second)),
        lot=(
            grid.at(*((120, 885, 300, 26), (620, 855, 320, 34), (90, 848, 340, 30))[seed % 3]),
            Type(TYPEWRITER, 34, ink),
        ),
        paper=(0, 0, grid.width, grid.height),
    )
    return Product(who.slug, who.name, who.gtin, sheet, paper(), (LOGO, SEAL))


def _elements(who: Identity, seed: int, grid: Grid, ink: Colour, second: Colour) -> list[Element]:
    bold, light = _FONTS[seed % len(_FONTS)]
    title, below = _TITLES[seed % len(_TITLES)], _LINES[seed % len(_LINES)]
    said = say(who.rng(2), (*FOOD, *COSMETICS), 12)
    edge = min(grid.width, grid.height)
    shape = seed % 3
    size = round(edge * 0.17)
    spot = grid.spot(*((760, 800), (80, 740), (775, 725))[shape])
    seal = figure(
        "seal",
        (*spot, size, size),
        lambda w, _: draw_medal(w, second, (250, 246, 232), f"{who.name.upper()} * SEALED * ", "No. 1", 40),
    )
    wide, high = 640, 480
    picture = paint_picture(who.rng(3), wide, high, who.hue, who.hue + 0.45, (seed + 1) % PICTURES)
    at = grid.at(*((290, 300, 420, 210), (630, 250, 320, 330), (330, 330, 340, 260))[shape])
    rosette = grid.spot(*((130, 330), (560, 700), (110, 390))[shape])
    small = Type(light, 34, ink)
    return [
        figure(
            "frame",
            grid.at(28, 28, 944, 944),
            lambda w, h: draw_frame(w, h, second, (0, 12, 18), 0.02 * shape),
            False,
        ),
        logo(
            grid.spot(*((500, 110), (110, 160), (500, 120))[shape]),
            round(edge * 0.15),
            who.emblem,
            ink,
            (250, 246, 232),
        ),
        line(
            "name",
            grid.at(*((100, 175, 800, 50), (200, 80, 740, 80), (100, 195, 800, 50))[shape]),
            who.name,
            Type(bold, 96, second, "middle"),
        ),
        line(
            "title",
            grid.at(*((90, 225, 820, 62), (200, 160, 740, 90), (90, 245, 820, 72))[shape]),
            title[0],
            Type(bold, 130, ink, "middle", 0.92),
            title[1],
        ),
        figure("picture", at, lambda w, h: picture.resize((w, h)), False),
        figure(
            "rosette",
            (*rosette, round(edge * 0.13), round(edge * 0.13)),
            lambda w, _: draw_rosette(w, second, 7 + seed, 5),
        ),
        line(
            "below",
            grid.at(*((120, 520, 760, 34), (80, 250, 520, 50), (120, 600, 760, 40))[shape]),
            below[0],
            Type(light, 66, second, "middle"),
            below[1],
            removable=True,
        ),
        figure(
            "rule",
            grid.at(*((250, 562, 500, 16), (120, 315, 440, 22), (250, 648, 500, 18))[shape]),
            lambda w, h: draw_rule(w, h, ink),
        ),
        paragraph(
            "left",
            grid.at(*((95, 590, 390, 190), (80, 350, 250, 300), (90, 680, 330, 200))[shape]),
            said[:5],
            small,
        ),
        paragraph(
            "right",
            grid.at(*((520, 590, 390, 190), (350, 350, 250, 300), (440, 680, 300, 200))[shape]),
            said[5:9],
            small,
            removable=True,
        ),
        paragraph(
            "foot",
            grid.at(*((95, 800, 600, 80), (220, 720, 330, 150), (90, 885, 440, 60))[shape]),
            said[9:11],
            replace(small, size=32, ink=second),
        ),
        replace(seal, mark=SEAL, outline=tuple(logo_outline(0))),
        line(
            "address",
            grid.at(*((450, 915, 460, 24), (600, 898, 330, 30), (560, 912, 360, 26))[shape]),
            f"{who.name} & Sons, Mill Lane 3",
            Type(light, 38, ink, "right"),
            f"{who.name} & Sons, Hill Lane 3",
        ),
    ]


def _paper(who: Identity, grid: Grid, seed: int) -> Bytes:
    """Paper of a light colour with fibres in it."""
    tone = np.asarray(hsv(who.hue + 0.1 if seed % 2 else 0.11, 0.1 + 0.06 * (seed % 3), 0.96), np.float32)
    mottle = 1 + 0.012 * smooth_noise(who.rng(5), grid.height, grid.width, (240, 160))
    return np.asarray(np.clip(tone * mottle[..., None], 0, 255), np.uint8)
