"""Drinks cans, printed all around with a pattern. A family to tune on."""

from dataclasses import replace

from PIL import Image

from bench.brands.bodies import can
from bench.brands.grounds import paint_pattern
from bench.brands.lettering import (
    GROTESK,
    SANS,
    SANS_BOLD,
    SERIF_BOLD,
    TIMES,
    TIMES_BOLD,
    TIMES_SLANTED,
    Grid,
    Type,
)
from bench.brands.ornaments import draw_burst, draw_medal
from bench.brands.product import LOGO, SEAL, Identity, Product, identify
from bench.brands.sheet import Element, Sheet, figure, line, logo, paragraph
from bench.brands.words import FOOD, say
from deploy.local.photos.emblem import logo_outline
from deploy.local.photos.ink import Colour, hsv
from deploy.local.photos.motifs import PICTURES, paint_picture

_GRID = Grid(2120, 1600)
_FONTS = ((SANS_BOLD, GROTESK), (TIMES_BOLD, TIMES), (SERIF_BOLD, SANS))
_DRINKS = (
    ("Sparkling Lemonade", "Sparkling Limeade"),
    ("Ginger Ale", "Ginger Beer"),
    ("Mountain Spring Soda", "Mountain Cream Soda"),
    ("Iced Peach Tea", "Iced Apple Tea"),
    ("Bitter Orange", "Bitter Lemon"),
    ("Wild Berry Tonic", "Wild Cherry Tonic"),
)
_SLOGANS = (
    ("brewed by the old harbour", "brewed by the new harbour"),
    ("fresh from the high valley", "fresh from the low valley"),
    ("a taste of long summers", "a taste of long winters"),
    ("nothing but fruit and bubbles", "nothing but sugar and bubbles"),
)


def design(seed: int) -> Product:
    """Invent can brand number `seed`."""
    who = identify("can", seed)
    rng = who.rng(1)
    deep = seed % 2 == 0
    base = (
        (hsv(who.hue, 0.8, 0.42), hsv(who.hue + 0.05, 0.9, 0.25))
        if deep
        else (hsv(who.hue, 0.3, 0.98), hsv(who.hue + 0.08, 0.55, 0.88))
    )
    tone = hsv(who.hue + 0.03, 0.7, 0.55) if deep else hsv(who.hue + 0.5, 0.12, 1.0)
    ink: Colour = (252, 248, 236) if deep else hsv(who.hue + 0.03, 0.9, 0.28)
    accent = hsv(who.hue + (0.45 if seed % 3 else 0.3), 0.75, 0.95 if deep else 0.7)
    picture = paint_picture(rng, 620, 460, who.hue, who.hue + 0.4, (seed * 3 + 2) % PICTURES)
    elements = [
        figure(
            "band", _GRID.at(0, 0, 1000, 40), lambda w, h: Image.new("RGBA", (w, h), (*accent, 255)), False
        ),
        figure("picture", (750, 0, 620, 460), lambda w, h: picture.resize((w, h))),
        *_front(who, seed, ink, accent, base[1]),
        *_sides(who, seed, ink, accent, base[1]),
    ]
    lift = (0.54, 0.06, 0.52)[seed % 3]
    elements[1] = replace(elements[1], place=(820, round(lift * _GRID.height), 480, 356))
    ground = paint_pattern(_GRID.width, _GRID.height, seed * 3 + 1, base, tone, (7.0, 11.0, 9.0)[seed % 3])
    sheet = Sheet(ground, tuple(elements), product_edge=round(1.11 * _GRID.height))
    return Product(who.slug, who.name, who.gtin, sheet, can(), (LOGO, SEAL))


def _front(who: Identity, seed: int, ink: Colour, accent: Colour, dark: Colour) -> list[Element]:
    """What faces the buyer: emblem, name, drink, slogan, volume."""
    bold, light = _FONTS[seed % len(_FONTS)]
    drink, slogan = _DRINKS[seed % len(_DRINKS)], _SLOGANS[(seed * 3 + 1) % len(_SLOGANS)]
    rows = (
        {"logo": 150, "name": 275, "drink": 385, "slogan": 450, "volume": 885},
        {"logo": 500, "name": 615, "drink": 735, "slogan": 800, "volume": 890},
        {"logo": 160, "name": 290, "drink": 395, "slogan": 830, "volume": 890},
    )[seed % 3]
    volume = (330, 250, 500)[seed % 3]
    small = Type(light, 52, ink, "middle")
    return [
        logo(_GRID.spot(500, rows["logo"]), 290, who.emblem, dark if seed % 2 else accent, (252, 250, 240)),
        line("name", _GRID.at(320, rows["name"] - 10, 360, 110), who.name, Type(bold, 190, ink, "middle")),
        line(
            "drink",
            _GRID.at(310, rows["drink"], 380, 60),
            drink[0],
            Type(bold, 88, accent, "middle"),
            drink[1],
        ),
        line(
            "slogan",
            _GRID.at(330, rows["slogan"], 340, 45),
            slogan[0],
            Type(TIMES_SLANTED, 60, ink, "middle"),
            slogan[1],
            removable=True,
        ),
        line(
            "volume", _GRID.at(400, rows["volume"], 200, 40), f"{volume} ml e", small, f"{volume - 20} ml e"
        ),
    ]


def _sides(who: Identity, seed: int, ink: Colour, accent: Colour, dark: Colour) -> list[Element]:
    """What stands beside the front: a medal, a star, small print. Only what is always seen can be forged."""
    said = say(who.rng(2), FOOD, 11)
    small = Type(SANS, 34, ink)
    size, rows = 240, ((330, 120, 600), (110, 120, 430), (520, 120, 560))[seed % 3]
    medal = figure(
        "seal",
        (*_GRID.spot(632, rows[0]), size, size),
        lambda w, _: draw_medal(
            w, accent, dark, f"{who.name.upper()} * EST. 19{11 + seed % 80} * ", "GOLD", 24 + seed % 9
        ),
    )
    star = (*_GRID.spot(255, rows[1]), 250, 230)
    unseen = tuple((genuine, "") for genuine, _ in said[3:])
    facts = paragraph("facts", _GRID.at(70, 400, 165, 260), unseen[:4], small)
    advice = paragraph("advice", _GRID.at(790, 420, 165, 260), unseen[4:], small)
    return [
        replace(medal, mark=SEAL, outline=tuple(logo_outline(0))),
        figure("star", star, lambda w, h: draw_burst(w, h, accent, dark, "NO ADDED\nSUGAR", 12)),
        replace(facts, others=()),
        replace(advice, others=()),
        paragraph("notice", _GRID.at(285, rows[2], 98, 170), said[:3], Type(SANS, 30, ink), removable=True),
        line(
            "address",
            _GRID.at(360, 955, 280, 30),
            f"Filled by {who.name} Ltd, Harbour Row 14",
            Type(SANS, 32, ink, "middle"),
            f"Filled by {who.name} Ltd, Station Road 7",
        ),
    ]
