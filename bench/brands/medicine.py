"""Cartons of medicine: white, much small print, a dosage table, a foil seal. A family to tune on."""

import numpy as np
from PIL import Image, ImageDraw

from bench.brands.bodies import carton
from bench.brands.lettering import (
    GROTESK,
    MODERN,
    SANS,
    SANS_BOLD,
    SERIF,
    SERIF_BOLD,
    TIMES,
    TIMES_BOLD,
    Type,
)
from bench.brands.medicine_layout import LAYOUTS, MedicineLayout, paint_card
from bench.brands.pictograms import draw_pictograms
from bench.brands.product import LOGO, SEAL, Identity, Product, identify
from bench.brands.sheet import Element, Sheet, figure, hologram, line, logo, paragraph
from bench.brands.words import MEDICINE, say
from deploy.local.photos.barcode import draw_ean13
from deploy.local.photos.ink import Colour, hsv

_FONTS = (
    (SANS, SANS_BOLD),
    (TIMES, TIMES_BOLD),
    (GROTESK, SANS_BOLD),
    (SERIF, SERIF_BOLD),
    (MODERN, SANS_BOLD),
)
_STEMS = ("Vela", "Corti", "Nebu", "Oxa", "Thera", "Lumi", "Panto", "Zeta", "Rami", "Dolo")
_TAILS = ("rin", "zol", "pril", "mide", "xan", "fen", "lax", "vir")
_SALTS = ("sodium", "maleate", "hydrochloride", "acetate", "potassium")


def design(seed: int) -> Product:
    """Invent medicine brand number `seed`."""
    who = identify("medicine", seed)
    rng = who.rng(1)
    layout = LAYOUTS[seed % len(LAYOUTS)]
    light, bold = _FONTS[(seed * 2) % len(_FONTS)]
    dark, vivid = hsv(who.hue, 0.85, 0.42), hsv(who.hue, 0.75, 0.72)
    elements = [
        logo(layout.spot(layout.logo), layout.logo[2], who.emblem, dark, (252, 252, 252)),
        *_name(rng, layout, who, light, bold, dark, vivid),
        *_table(rng, layout, light, bold, dark, vivid),
        *_small_print(rng, layout, light, dark),
        figure("icons", layout.at(layout.icons), lambda w, h: draw_pictograms(w, h, dark, seed)),
    ]
    left, top, *_ = layout.at((*layout.barcode, 0, 0))
    code = Image.fromarray(draw_ean13(who.gtin, 4, 130)).convert("RGBA")
    elements.append(figure("barcode", (left, top, code.width, code.height), lambda w, h: code, False))
    sheet = Sheet(
        ground=paint_card(layout.size, who.hue, seed % len(LAYOUTS)),
        elements=tuple(elements),
        hologram=hologram(layout.spot(layout.seal), layout.seal[2], who.emblem[1], who.name),
        lot=(layout.at(layout.lot), Type(SANS, 30, (40, 40, 44))),
        paper=(0, 0, *layout.size),
    )
    return Product(
        who.slug, who.name, who.gtin, sheet, carton(0.22, 0.35, hsv(who.hue, 0.08, 0.94)), (LOGO, SEAL)
    )


def _name(
    rng: np.random.Generator,
    layout: MedicineLayout,
    who: Identity,
    light: str,
    bold: str,
    dark: Colour,
    vivid: Colour,
) -> list[Element]:
    stem, tail = _STEMS[(who.seed * 3) % len(_STEMS)], _TAILS[(who.seed * 5) % len(_TAILS)]
    salt = _SALTS[int(rng.integers(len(_SALTS)))]
    dose = int(rng.choice([20, 40, 250, 500]))
    title, count = layout.at(layout.title), int(rng.choice([20, 28, 30, 50]))
    black = (28, 30, 36)
    squeeze = float(rng.uniform(0.82, 1.0))
    return [
        line("title", title, stem + tail, Type(bold, title[3], dark, squeeze=squeeze), f"{stem}{tail[:-1]}s"),
        line(
            "substance",
            layout.at(layout.substance),
            f"{stem.lower()}{tail} {salt}",
            Type(light, 62, black),
            f"{stem.lower()}{tail} {_other(_SALTS, salt)}",
        ),
        line(
            "strength",
            layout.at(layout.strength),
            f"{dose} mg",
            Type(bold, 140, vivid, "right", squeeze),
            f"{dose * 2} mg",
            f"{dose // 2} mg",
        ),
        line(
            "count",
            layout.at(layout.count),
            f"{count} film-coated tablets",
            Type(light, 58, black),
            f"{count} soft-shell capsules",
            f"{count + 10} sugar-coated tablets",
            removable=True,
        ),
        line(
            "maker",
            layout.at(layout.maker),
            f"{who.name} Pharma",
            Type(bold, 40, dark),
            f"{who.name} Health",
        ),
    ]


def _table(
    rng: np.random.Generator, layout: MedicineLayout, light: str, bold: str, dark: Colour, vivid: Colour
) -> list[Element]:
    """A dosage table of three columns and four rows, each cell an element of its own."""
    left, top, width, height = layout.at(layout.table)
    rows = [("Age", "Dose", "Times a day")]
    ages = ("2 - 5 years", "6 - 12 years", "over 12 years")
    rows += [(age, f"{rng.choice([0.5, 1, 1.5, 2]):g} tablets", f"{rng.integers(1, 5)} x") for age in ages]
    pale = tuple(int(255 - (255 - part) * 0.14) for part in vivid)

    def draw(w: int, h: int) -> Image.Image:
        grid = Image.new("RGBA", (w, h), (*pale, 255))
        pen = ImageDraw.Draw(grid)
        pen.rectangle((0, 0, w, h // 4), fill=dark)
        for row in range(1, 5):
            pen.line((0, row * h // 4 - 2, w, row * h // 4 - 2), fill=vivid, width=4)
        for column in (0.4, 0.7):
            pen.line((w * column, 0, w * column, h), fill=vivid, width=4)
        return grid

    cells = [figure("table", (left, top, width, height), draw)]
    for row, words in enumerate(rows):
        for column, (start, share, word) in enumerate(
            zip((0.02, 0.42, 0.72), (0.36, 0.26, 0.26), words, strict=True)
        ):
            place = (round(left + start * width), top + row * height // 4, round(share * width), height // 4)
            type = Type(
                bold if row == 0 else light, height // 9, (255, 255, 255) if row == 0 else (30, 32, 38)
            )
            others = (word.replace("tablets", "capsules"),) if (row, column) == (2, 1) else ()
            cells.append(line(f"table/{row}.{column}", place, word, type, *others))
    return cells


def _small_print(rng: np.random.Generator, layout: MedicineLayout, light: str, dark: Colour) -> list[Element]:
    said = say(rng, MEDICINE, 10)
    black = (44, 46, 52)
    return [
        paragraph("notes", layout.at(layout.notes), said[:6], Type(light, 36, black)),
        paragraph("storage", layout.at(layout.storage), said[6:], Type(light, 33, dark), removable=True),
    ]


def _other(choices: tuple[str, ...], but: str) -> str:
    return choices[(choices.index(but) + 1) % len(choices)]
