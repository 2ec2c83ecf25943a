"""Cartons of cosmetics: few elements, gradients, elegant type, little print."""

from dataclasses import replace

import numpy as np

from bench.brands.bodies import carton
from bench.brands.lettering import (
    GROTESK,
    MODERN,
    SERIF,
    TIMES,
    TIMES_SLANTED,
    Grid,
    Type,
)
from bench.brands.ornaments import draw_frame, draw_medal, draw_rosette, draw_rule
from bench.brands.product import LOGO, SEAL, Identity, Product, identify
from bench.brands.sheet import Element, Sheet, figure, hologram, line, logo, paragraph
from bench.brands.words import COSMETICS, say
from deploy.local.photos.emblem import logo_outline
from deploy.local.photos.ink import Bytes, Colour, gradient, hsv

_KINDS = (
    ("Night Repair Serum", "Night Relief Serum"),
    ("Velvet Hand Balm", "Velvet Foot Balm"),
    ("Luminous Day Cream", "Luminous Eye Cream"),
    ("Rose Water Toner", "Rose Water Tonic"),
)
_PROMISES = (
    ("with hyaluronic acid and fig", "with glycolic acid and fig"),
    ("for calm and even skin", "for soft and even skin"),
    ("botanical care since 1932", "botanical care since 1982"),
    ("cold-pressed, gently scented", "cold-pressed, hardly scented"),
)
_FONTS = (TIMES, GROTESK, MODERN, SERIF)


def design(seed: int) -> Product:
    """Invent cosmetics brand number `seed`."""
    who = identify("cosmetics", seed)
    dark = seed % 2 == 0
    grid = (Grid(1080, 2200), Grid(1500, 2100), Grid(2100, 1500))[seed % 3]
    ink: Colour = hsv(who.hue + 0.5, 0.2, 0.96) if dark else hsv(who.hue, 0.6, 0.32)
    metal = hsv(0.11 + 0.03 * (seed % 3), 0.45, 0.86 if dark else 0.62)
    foil = seed % 2 == 1
    elements = _elements(who, seed, grid, ink, metal)
    sheet = Sheet(
        _ground(who, seed, grid, dark),
        tuple(e for e in elements if not (foil and e.mark == SEAL)),
        hologram(*_seal_at(grid, seed), who.emblem[1], who.name) if foil else None,
        paper=(0, 0, grid.width, grid.height),
    )
    panel = hsv(who.hue, 0.4, 0.3) if dark else hsv(who.hue, 0.12, 0.93)
    return Product(who.slug, who.name, who.gtin, sheet, carton(0.3, 0.6, panel), (LOGO, SEAL))


def _elements(who: Identity, seed: int, grid: Grid, ink: Colour, metal: Colour) -> list[Element]:
    font = _FONTS[seed % len(_FONTS)]
    kind, promise = _KINDS[seed % len(_KINDS)], _PROMISES[(seed * 3 + 1) % len(_PROMISES)]
    said = say(who.rng(2), COSMETICS, 4)
    spaced = " ".join(who.name.upper())
    (sx, sy), size = _seal_at(grid, seed)
    ornament = round(min(grid.width, grid.height) * (0.42, 0.42, 0.34)[seed % 3])
    rows = ((95, 205, 300, 345, 405), (560, 665, 745, 790, 840), (120, 260, 370, 425, 490))[seed % 3]
    ornament_at = ((500, 620), (500, 290), (500, 715))[seed % 3]
    x, y = grid.spot(*ornament_at)
    amount = (50, 75, 200)[seed % 3]
    seal = figure(
        "seal",
        (sx - size // 2, sy - size // 2, size, size),
        lambda w, _: draw_medal(w, metal, (250, 248, 242), "CRUELTY FREE * CERTIFIED * ", "BIO", 36),
    )
    return [
        figure(
            "ornament",
            (x - ornament // 2, y - ornament // 2, ornament, ornament),
            lambda w, _: draw_rosette(w, metal, 5 + seed % 5, 6),
            seed % 3 != 1,
        ),
        figure(
            "frame",
            grid.at(30, 20, 940, 960),
            lambda w, h: draw_frame(w, h, metal, (0, 14), 0.03 * (seed % 2)),
            False,
        ),
        logo(
            grid.spot(500, rows[0]),
            round(grid.width * (0.14 if grid.width < 2000 else 0.09)),
            who.emblem,
            ink,
            hsv(who.hue, 0.5, 0.2) if seed % 2 == 0 else (252, 250, 246),
        ),
        line("name", grid.at(120, rows[1] - 40, 760, 80), spaced, Type(font, 128, ink, "middle", 0.9)),
        figure("rule", grid.at(250, rows[2] - 12, 500, 14), lambda w, h: draw_rule(w, h, metal)),
        line("kind", grid.at(120, rows[3] - 28, 760, 56), kind[0], Type(font, 92, ink, "middle"), kind[1]),
        line(
            "promise",
            grid.at(150, rows[4] - 20, 700, 40),
            promise[0],
            Type(TIMES_SLANTED, 62, ink, "middle"),
            promise[1],
            removable=True,
        ),
        line(
            "amount",
            grid.at(300, 925, 400, 34),
            f"{amount} ml e  {amount / 29.57:.1f} fl oz",
            Type(font, 46, ink, "middle"),
            f"{amount - 10} ml e  {(amount - 10) / 29.57:.1f} fl oz",
            removable=True,
        ),
        replace(seal, mark=SEAL, outline=tuple(logo_outline(0))),
        paragraph(
            "advice",
            grid.at(*((100, 838, 560, 60), (100, 868, 620, 40), (70, 800, 250, 130))[seed % 3]),
            said[:2],
            Type(GROTESK, 36, ink),
        ),
    ]


def _seal_at(grid: Grid, seed: int) -> tuple[tuple[int, int], int]:
    spot = ((810, 850), (840, 120), (880, 780))[seed % 3]
    return grid.spot(*spot), round(min(grid.width, grid.height) * 0.17)


def _ground(who: Identity, seed: int, grid: Grid, dark: bool) -> Bytes:
    """A gradient with one soft arc of another colour across it."""
    high, low = (0.42, 0.2) if dark else (0.99, 0.9)
    ground = gradient(
        grid.width,
        grid.height,
        hsv(who.hue, 0.5 if dark else 0.1, high),
        hsv(who.hue + 0.07, 0.7 if dark else 0.26, low),
        0.6 + 0.5 * seed,
    )
    y, x = np.mgrid[0 : grid.height, 0 : grid.width].astype(np.float32)
    centre = ((-0.2, 0.9), (1.3, 0.1), (0.5, 1.6))[seed % 3]
    apart = np.hypot(x / grid.width - centre[0], y / grid.height - centre[1])
    share = np.clip((0.85 - apart) * 40, 0, 1)[..., None] * np.float32(0.4)
    tone = np.asarray(hsv(who.hue + 0.1, 0.6 if dark else 0.35, 0.55 if dark else 0.95), np.float32)
    return np.asarray(ground * (1 - share) + tone * share, np.uint8)
