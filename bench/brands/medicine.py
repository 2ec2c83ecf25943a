"""Cartons of medicine: white, much small print, a dosage table, a foil seal. A family to tune on."""

from dataclasses import dataclass

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
    Place,
    Type,
)
from bench.brands.product import LOGO, SEAL, Identity, Product, identify
from bench.brands.sheet import Element, Sheet, figure, hologram, line, logo, paragraph
from bench.brands.words import MEDICINE, say
from deploy.local.photos.barcode import draw_ean13
from deploy.local.photos.ink import Bytes, Colour, draw_layer, hsv

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


@dataclass(frozen=True)
class _Layout:
    """Where things stand, as left, top, width, height in thousandths of the face's width and height."""

    size: tuple[int, int]
    title: tuple[int, int, int, int]
    substance: tuple[int, int, int, int]
    strength: tuple[int, int, int, int]
    count: tuple[int, int, int, int]
    maker: tuple[int, int, int, int]
    table: tuple[int, int, int, int]
    notes: tuple[int, int, int, int]
    storage: tuple[int, int, int, int]
    icons: tuple[int, int, int, int]
    barcode: tuple[int, int]
    lot: tuple[int, int, int, int]
    logo: tuple[int, int, int]
    seal: tuple[int, int, int]


_LAYOUTS = (
    _Layout(
        (2200, 1350), title=(250, 60, 470, 150), substance=(250, 215, 470, 60), strength=(760, 70, 200, 150),
        count=(250, 285, 400, 60), maker=(40, 880, 160, 50), table=(250, 400, 420, 300),
        notes=(250, 745, 400, 220), storage=(700, 640, 260, 160), icons=(700, 420, 260, 160),
        barcode=(702, 815), lot=(250, 355, 300, 32), logo=(120, 180, 270), seal=(120, 620, 260),
    ),
    _Layout(
        (1500, 2200), title=(60, 205, 880, 85), substance=(60, 290, 620, 36), strength=(640, 340, 300, 80),
        count=(60, 340, 540, 40), maker=(60, 945, 400, 26), table=(60, 450, 540, 190),
        notes=(60, 670, 560, 150), storage=(660, 470, 280, 170), icons=(60, 390, 500, 50),
        barcode=(60, 840), lot=(520, 945, 420, 24), logo=(830, 90, 260), seal=(800, 800, 300),
    ),
    _Layout(
        (2200, 1180), title=(60, 90, 560, 170), substance=(60, 265, 560, 66), strength=(60, 345, 240, 130),
        count=(330, 360, 290, 60), maker=(640, 930, 320, 50), table=(640, 380, 330, 290),
        notes=(60, 500, 330, 300), storage=(410, 500, 210, 250), icons=(410, 770, 210, 120),
        barcode=(60, 815), lot=(330, 440, 290, 36), logo=(890, 170, 280), seal=(740, 790, 250),
    ),
)  # fmt: skip


def design(seed: int) -> Product:
    """Invent medicine brand number `seed`."""
    who = identify("medicine", seed)
    rng = who.rng(1)
    layout = _LAYOUTS[seed % len(_LAYOUTS)]
    light, bold = _FONTS[(seed * 2) % len(_FONTS)]
    dark, vivid = hsv(who.hue, 0.85, 0.42), hsv(who.hue, 0.75, 0.72)
    elements = [
        logo(_spot(layout, layout.logo), layout.logo[2], who.emblem, dark, (252, 252, 252)),
        *_name(rng, layout, who, light, bold, dark, vivid),
        *_table(rng, layout, light, bold, dark, vivid),
        *_small_print(rng, layout, light, dark),
        figure("icons", _at(layout, layout.icons), lambda w, h: _icons(w, h, dark, seed)),
    ]
    left, top, *_ = _at(layout, (*layout.barcode, 0, 0))
    code = Image.fromarray(draw_ean13(who.gtin, 4, 130)).convert("RGBA")
    elements.append(figure("barcode", (left, top, code.width, code.height), lambda w, h: code, False))
    sheet = Sheet(
        ground=_ground(rng, layout, who.hue, seed),
        elements=tuple(elements),
        hologram=hologram(_spot(layout, layout.seal), layout.seal[2], who.emblem[1], who.name),
        lot=(_at(layout, layout.lot), Type(SANS, 30, (40, 40, 44))),
        paper=(0, 0, *layout.size),
    )
    return Product(
        who.slug, who.name, who.gtin, sheet, carton(0.22, 0.35, hsv(who.hue, 0.08, 0.94)), (LOGO, SEAL)
    )


def _name(
    rng: np.random.Generator,
    layout: _Layout,
    who: Identity,
    light: str,
    bold: str,
    dark: Colour,
    vivid: Colour,
) -> list[Element]:
    stem, tail = _STEMS[(who.seed * 3) % len(_STEMS)], _TAILS[(who.seed * 5) % len(_TAILS)]
    salt = _SALTS[int(rng.integers(len(_SALTS)))]
    dose = int(rng.choice([20, 40, 250, 500]))
    title, count = _at(layout, layout.title), int(rng.choice([20, 28, 30, 50]))
    black = (28, 30, 36)
    squeeze = float(rng.uniform(0.82, 1.0))
    return [
        line("title", title, stem + tail, Type(bold, title[3], dark, squeeze=squeeze), f"{stem}{tail[:-1]}s"),
        line(
            "substance",
            _at(layout, layout.substance),
            f"{stem.lower()}{tail} {salt}",
            Type(light, 62, black),
            f"{stem.lower()}{tail} {_other(_SALTS, salt)}",
        ),
        line(
            "strength",
            _at(layout, layout.strength),
            f"{dose} mg",
            Type(bold, 140, vivid, "right", squeeze),
            f"{dose * 2} mg",
            f"{dose // 2} mg",
        ),
        line(
            "count",
            _at(layout, layout.count),
            f"{count} film-coated tablets",
            Type(light, 58, black),
            f"{count} soft-shell capsules",
            f"{count + 10} sugar-coated tablets",
            removable=True,
        ),
        line(
            "maker",
            _at(layout, layout.maker),
            f"{who.name} Pharma",
            Type(bold, 40, dark),
            f"{who.name} Health",
        ),
    ]


def _table(
    rng: np.random.Generator, layout: _Layout, light: str, bold: str, dark: Colour, vivid: Colour
) -> list[Element]:
    """A dosage table of three columns and four rows, each cell an element of its own."""
    left, top, width, height = _at(layout, layout.table)
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


def _small_print(rng: np.random.Generator, layout: _Layout, light: str, dark: Colour) -> list[Element]:
    said = say(rng, MEDICINE, 10)
    black = (44, 46, 52)
    return [
        paragraph("notes", _at(layout, layout.notes), said[:6], Type(light, 36, black)),
        paragraph("storage", _at(layout, layout.storage), said[6:], Type(light, 33, dark), removable=True),
    ]


def _ground(rng: np.random.Generator, layout: _Layout, hue: float, seed: int) -> Bytes:
    """White card with the brand's colours in a shape that is the layout's own."""
    width, height = layout.size
    card = Image.new("RGB", layout.size, (247, 247, 245))
    vivid, soft, deep = hsv(hue, 0.7, 0.78), hsv(hue + 0.06, 0.35, 0.95), hsv(hue - 0.03, 0.85, 0.5)

    def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
        w, h = width * f, height * f
        match seed % len(_LAYOUTS):
            case 0:
                pen.rectangle((0, 0, w * 0.21, h), fill=soft)
                for step in range(9):
                    pen.ellipse(
                        (w * 0.13, h * (0.1 * step + 0.02), w * 0.25, h * (0.1 * step + 0.2)),
                        outline=vivid,
                        width=round(5 * f),
                    )
                pen.rectangle((w * 0.21, 0, w * 0.222, h), fill=vivid)
                pen.rectangle((w * 0.25, h * 0.275, w * 0.72, h * 0.279), fill=deep)
            case 1:
                x = np.linspace(0, w, 60)
                for lift, tone in ((0.2, soft), (0.175, vivid), (0.15, deep)):
                    wave = h * (lift + 0.018 * np.sin(x / w * 7 + 30 * lift))
                    pen.polygon([(0, 0), *zip(x, wave, strict=True), (w, 0)], fill=tone)
                pen.rectangle((0, h * 0.985, w, h), fill=vivid)
            case _:
                for step in range(14):
                    start = w * (0.6 + 0.045 * step)
                    tone = (vivid, soft, deep)[step % 3]
                    pen.polygon(
                        [
                            (start, 0),
                            (start + w * 0.03, 0),
                            (start - w * 0.1, h * 0.34),
                            (start - w * 0.13, h * 0.34),
                        ],
                        fill=tone,
                    )
                pen.rectangle((0, 0, w, h * 0.03), fill=vivid)

    layer = draw_layer(width, height, draw)
    card.paste(layer, (0, 0), layer)
    return np.asarray(card)


def _icons(width: int, height: int, ink: Colour, seed: int) -> Image.Image:
    """Three pictograms in a row: a tablet, a sun that is crossed out, a glass of water."""

    def draw(pen: ImageDraw.ImageDraw, f: float) -> None:
        w, h = width * f, height * f
        size = min(h, w / 3.4)
        bold = max(2, round(size * 0.05))
        for number in range(3):
            x, y = (w - size) / 2 * number + size / 2, h / 2
            r = size * 0.47
            pen.rounded_rectangle((x - r, y - r, x + r, y + r), r * 0.3, outline=ink, width=bold)
            match (number + seed) % 3:
                case 0:
                    pen.ellipse((x - r * 0.6, y - r * 0.6, x + r * 0.6, y + r * 0.6), fill=ink)
                    pen.line((x, y - r * 0.6, x, y + r * 0.6), fill=(250, 250, 250), width=bold)
                case 1:
                    pen.ellipse((x - r * 0.35, y - r * 0.35, x + r * 0.35, y + r * 0.35), fill=ink)
                    for turn in np.linspace(0, 2 * np.pi, 8, endpoint=False):
                        c, s = float(np.cos(turn)), float(np.sin(turn))
                        pen.line(
                            (x + c * r * 0.5, y + s * r * 0.5, x + c * r * 0.75, y + s * r * 0.75),
                            fill=ink,
                            width=bold,
                        )
                    pen.line((x - r * 0.8, y + r * 0.8, x + r * 0.8, y - r * 0.8), fill=ink, width=bold)
                case _:
                    pen.polygon(
                        [
                            (x - r * 0.5, y - r * 0.6),
                            (x + r * 0.5, y - r * 0.6),
                            (x + r * 0.35, y + r * 0.65),
                            (x - r * 0.35, y + r * 0.65),
                        ],
                        outline=ink,
                        width=bold,
                    )
                    pen.polygon(
                        [
                            (x - r * 0.42, y - r * 0.1),
                            (x + r * 0.42, y - r * 0.1),
                            (x + r * 0.33, y + r * 0.6),
                            (x - r * 0.33, y + r * 0.6),
                        ],
                        fill=ink,
                    )

    return draw_layer(width, height, draw)


def _at(layout: _Layout, share: tuple[int, int, int, int]) -> Place:
    width, height = layout.size
    return (
        share[0] * width // 1000,
        share[1] * height // 1000,
        share[2] * width // 1000,
        share[3] * height // 1000,
    )


def _spot(layout: _Layout, share: tuple[int, int, int]) -> tuple[int, int]:
    return share[0] * layout.size[0] // 1000, share[1] * layout.size[1] // 1000


def _other(choices: tuple[str, ...], but: str) -> str:
    return choices[(choices.index(but) + 1) % len(choices)]
