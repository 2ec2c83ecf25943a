"""Jars: a wide low paper label on a short cylinder."""

from dataclasses import replace

from bench.brands.bodies import jar
from bench.brands.label import FONTS, Label, choose_label, fill_vessel, make_medal
from bench.brands.lettering import (
    SANS,
    Grid,
    Type,
)
from bench.brands.ornaments import draw_burst, draw_ribbon
from bench.brands.product import Identity, Product, identify
from bench.brands.sheet import Element, figure, line, logo, paragraph
from bench.brands.words import FOOD, say
from deploy.local.photos.ink import hsv
from deploy.local.photos.motifs import PICTURES, paint_picture


def design(seed: int) -> Product:
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
    label = choose_label(who, (round(grid.width * 0.1), 110, round(grid.width * 0.8), 860), seed + 1)
    elements = _list_elements(who, seed, label, food)
    lid = hsv(who.hue + 0.5, 0.6, 0.75)
    return fill_vessel(who, grid, glass, label, elements, jar(glass, lid), seed, 1.42)


def _list_elements(who: Identity, seed: int, label: Label, food: tuple[str, str]) -> list[Element]:
    """A landscape label; what is beside its middle only shows as the jar is turned."""
    bold, light = FONTS[(seed + 1) % len(FONTS)]
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
        make_medal(who, label, label.spot(455 - side * 180, 130), 170, "BEST"),
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
