"""Bottles: a narrow paper label around dark glass."""

from bench.brands.bodies import bottle
from bench.brands.label import FONTS, Label, choose_label, fill_vessel, make_medal
from bench.brands.lettering import (
    TIMES_SLANTED,
    Grid,
    Type,
)
from bench.brands.ornaments import draw_rule
from bench.brands.product import Identity, Product, identify
from bench.brands.sheet import Element, figure, line, logo, paragraph
from bench.brands.words import FOOD, say
from deploy.local.photos.ink import hsv
from deploy.local.photos.motifs import PICTURES, paint_picture


def design(seed: int) -> Product:
    """Invent bottle brand number `seed`: a label of 100 degrees on a bottle of dark glass."""
    who = identify("bottle", seed)
    drink = (
        ("Elderflower Cordial", "Elderberry Cordial"),
        ("Porter Ale", "Pilsner Ale"),
        ("Olive Oil", "Walnut Oil"),
        ("Maple Syrup", "Apple Syrup"),
    )[seed % 4]
    glass = ((70, 42, 18), (26, 62, 40), (40, 44, 52))[seed % 3]
    grid = Grid(1620, 1500)
    label = choose_label(who, (round(grid.width * 0.275), 70, round(grid.width * 0.45), 1340), seed)
    elements = _list_elements(who, seed, label, drink)
    cap = hsv(who.hue + 0.1, 0.7, 0.5)
    return fill_vessel(who, grid, glass, label, elements, bottle(glass, cap), seed, 1.56)


def _list_elements(who: Identity, seed: int, label: Label, drink: tuple[str, str]) -> list[Element]:
    """A portrait label; its second scheme has the picture above and the emblem below."""
    bold, light = FONTS[seed % len(FONTS)]
    said = say(who.rng(2), FOOD, 5)
    picture = paint_picture(who.rng(3), 640, 440, who.hue, who.hue + 0.5, (seed * 2 + 1) % PICTURES)
    swap = seed % 2 == 0
    rows = (500, 610, 690, 85) if swap else (250, 350, 430, 465)
    size = 150
    year = 1850 + who.seed * 17 % 120
    return [
        figure("picture", label.at(200, rows[3], 600, 250), lambda w, h: picture.resize((w, h)), swap),
        logo(label.spot(500, 420 if swap else 130), 210, who.emblem, label.ink, label.paper),
        line("name", label.at(60, rows[0], 880, 90), who.name, Type(bold, 120, label.ink, "middle")),
        line(
            "drink",
            label.at(60, rows[1], 880, 70),
            drink[0],
            Type(bold, 82, label.second, "middle"),
            drink[1],
        ),
        line(
            "year",
            label.at(200, rows[2], 600, 40),
            f"since {year}",
            Type(TIMES_SLANTED, 54, label.ink, "middle"),
            f"since {year - 40}",
            removable=True,
        ),
        figure("rule", label.at(150, 735, 700, 20), lambda w, h: draw_rule(w, h, label.second)),
        paragraph("notes", label.at(70, 765, 560, 150), said[:3], Type(light, 34, label.ink)),
        make_medal(who, label, label.spot(690, 770), size, "EXTRA"),
        line("volume", label.at(60, 908, 400, 36), "0.5 l e", Type(light, 46, label.ink), "0.7 l e"),
        line(
            "strength",
            label.at(540, 908, 400, 36),
            "batch 12 of 40",
            Type(light, 40, label.ink, "right"),
            "batch 12 of 90",
            removable=True,
        ),
    ]
