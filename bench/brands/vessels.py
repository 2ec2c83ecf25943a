"""Bottles and jars: a paper label around a vessel of one colour."""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from bench.brands.bodies import Body, bottle, jar
from bench.brands.grounds import paint_pattern
from bench.brands.lettering import (
    GROTESK,
    MODERN,
    SANS,
    SANS_BOLD,
    SERIF_BOLD,
    TIMES,
    TIMES_BOLD,
    TIMES_SLANTED,
    Grid,
    Place,
    Type,
)
from bench.brands.ornaments import draw_burst, draw_frame, draw_medal, draw_ribbon, draw_rule
from bench.brands.product import LOGO, SEAL, Identity, Product, identify
from bench.brands.sheet import Element, Sheet, figure, line, logo, paragraph
from bench.brands.words import FOOD, say
from deploy.local.photos.emblem import logo_outline
from deploy.local.photos.ink import Bytes, Colour, gradient, hsv
from deploy.local.photos.motifs import PICTURES, paint_picture

_FONTS = ((TIMES_BOLD, TIMES), (SANS_BOLD, GROTESK), (SERIF_BOLD, MODERN))


@dataclass(frozen=True)
class _Label:
    """Where a label is on the sheet, in pixels, and its inks."""

    place: Place
    ink: Colour
    second: Colour
    paper: Colour

    def at(self, left: int, top: int, width: int, height: int) -> Place:
        """Return a place on the label from thousandths of it."""
        x, y, w, h = Grid(*self.place[2:]).at(left, top, width, height)
        return self.place[0] + x, self.place[1] + y, w, h

    def spot(self, x: int, y: int) -> tuple[int, int]:
        """Return a point on the label from thousandths of it."""
        return self.at(x, y, 0, 0)[:2]


def design_bottle(seed: int) -> Product:
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
    label = _choose_label(who, (round(grid.width * 0.275), 70, round(grid.width * 0.45), 1340), seed)
    elements = _tall(who, seed, label, drink)
    cap = hsv(who.hue + 0.1, 0.7, 0.5)
    return _fill(who, grid, glass, label, elements, bottle(glass, cap), seed, 1.56)


def design_jar(seed: int) -> Product:
    """Invent jar brand number `seed`: a wide low label on a short cylinder."""
    who = identify("jar", seed)
    food = (
        ("Strawberry Jam", "Raspberry Jam"),
        ("Bitter Orange Marmalade", "Better Orange Marmalade"),
        ("Forest Honey", "Flower Honey"),
        ("Green Pesto", "Greek Pesto"),
    )[seed % 4]
    glass = ((150, 30, 34), (206, 120, 28), (96, 110, 40))[seed % 3]
    grid = Grid(2400, 1090)
    label = _choose_label(who, (round(grid.width * 0.1), 110, round(grid.width * 0.8), 860), seed + 1)
    elements = _wide(who, seed, label, food)
    lid = hsv(who.hue + 0.5, 0.6, 0.75)
    return _fill(who, grid, glass, label, elements, jar(glass, lid), seed, 1.42)


def _choose_label(who: Identity, place: Place, seed: int) -> _Label:
    dark = seed % 2 == 1
    paper = hsv(who.hue + 0.08, 0.65, 0.3) if dark else hsv(who.hue + 0.06, 0.12, 0.97)
    ink = (250, 244, 226) if dark else hsv(who.hue, 0.75, 0.26)
    return _Label(place, ink, hsv(who.hue + 0.5, 0.7, 0.95 if dark else 0.62), paper)


def _tall(who: Identity, seed: int, label: _Label, drink: tuple[str, str]) -> list[Element]:
    """A portrait label; its second scheme has the picture above and the emblem below."""
    bold, light = _FONTS[seed % len(_FONTS)]
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
        _medal(who, label, label.spot(690, 770), size, "EXTRA"),
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


def _wide(who: Identity, seed: int, label: _Label, food: tuple[str, str]) -> list[Element]:
    """A landscape label; what is beside its middle only shows as the jar is turned."""
    bold, light = _FONTS[(seed + 1) % len(_FONTS)]
    said = say(who.rng(2), FOOD, 10)
    side = 1 if seed % 2 else -1
    picture = paint_picture(who.rng(3), 520, 400, who.hue, who.hue + 0.4, (seed * 2) % PICTURES)
    left = label.at(572 if side > 0 else 220, 420, 0, 0)[:2]
    text = 250 if side > 0 else 440
    notes = [
        replace(element, others=())
        for element in (
            paragraph("facts", label.at(40, 150, 180, 700), said[3:6], Type(light, 34, label.ink)),
            paragraph("advice", label.at(785, 150, 180, 700), said[6:], Type(light, 34, label.ink)),
        )
    ]
    return [
        *notes,
        figure("picture", (*left, 400, 308), lambda w, h: picture.resize((w, h)), seed % 2 == 0),
        logo(label.spot(500, 170), 210, who.emblem, label.ink, label.paper),
        line("name", label.at(330, 300, 340, 130), who.name, Type(bold, 140, label.ink, "middle")),
        line(
            "food",
            label.at(text, 440, 310, 100),
            food[0],
            Type(bold, 84, label.second, "middle"),
            food[1],
        ),
        figure(
            "ribbon",
            label.at(text - 10, 570, 330, 100),
            lambda w, h: draw_ribbon(w, h, label.second, label.ink),
        ),
        line(
            "ribbon/line",
            label.at(text + 10, 570, 290, 78),
            "small batch",
            Type(light, 50, label.paper, "middle"),
            "large batch",
        ),
        _medal(who, label, label.spot(455 - side * 180, 130), 170, "BEST"),
        figure(
            "star",
            (*label.spot(450 + side * 170, 120), 190, 180),
            lambda w, h: draw_burst(w, h, label.second, label.paper, "60 %\nFRUIT", 11),
        ),
        paragraph(
            "notes",
            label.at(text, 710, 310, 130),
            said[:3],
            Type(light, 34, label.ink),
            removable=True,
        ),
        line(
            "weight", label.at(380, 850, 240, 50), "340 g e", Type(SANS, 46, label.ink, "middle"), "310 g e"
        ),
    ]


def _medal(who: Identity, label: _Label, spot: tuple[int, int], size: int, word: str) -> Element:
    medal = figure(
        "seal",
        (*spot, size, size),
        lambda w, _: draw_medal(w, label.second, label.paper, f"{who.name.upper()} * AWARD * ", word, 28),
    )
    return replace(medal, mark=SEAL, outline=tuple(logo_outline(0)))


def _fill(
    who: Identity,
    grid: Grid,
    glass: Colour,
    label: _Label,
    elements: list[Element],
    body: Body,
    seed: int,
    edge: float,
) -> Product:
    """Put the label and its elements onto a sheet of glass; the vessel is `edge` times as high as that."""
    dim: Colour = (int(glass[0] * 0.8), int(glass[1] * 0.8), int(glass[2] * 0.8))
    ground = np.array(gradient(grid.width, grid.height, glass, dim, 1.5708))
    left, top, width, height = label.place
    ground[top - 3 : top + height + 3, left - 3 : left + width + 3] //= 2
    ground[top : top + height, left : left + width] = _paper(label, seed)
    sheet = Sheet(
        ground,
        tuple(elements),
        lot=(
            label.at(360, 948 if label.place[2] < label.place[3] else 906, 280, 26),
            Type(SANS, 24, label.ink),
        ),
        paper=label.place,
        product_edge=round(edge * grid.height),
    )
    return Product(who.slug, who.name, who.gtin, sheet, body, (LOGO, SEAL))


def _paper(label: _Label, seed: int) -> Bytes:
    """The label's paper: a faint pattern within a frame."""
    width, height = label.place[2:]
    shares = np.multiply(label.paper, 0.93) + np.multiply(label.second, 0.07)
    mark: Colour = (int(shares[0]), int(shares[1]), int(shares[2]))
    paper = Image.fromarray(paint_pattern(width, height, seed * 3 + 2, (label.paper, label.paper), mark, 14))
    frame = draw_frame(width, height, label.second, (12, 26), 0.0 if seed % 2 else 0.04)
    paper.paste(frame, (0, 0), frame)
    return np.asarray(paper)
