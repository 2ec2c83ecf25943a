"""The flat printed faces of a package: what a printer would get, before any camera.

Fakes are made here, in print: another emblem, no seal, changed letters, another number, other inks, a
coarse reprint.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import cv2
import numpy as np
from PIL import Image, ImageDraw

from deploy.local.photos.barcode import draw_ean13
from deploy.local.photos.carton import pouch_outline, price_sticker, side_panel, top_panel, wear_edges
from deploy.local.photos.catalog import FAKE_LOGO, DemoBrand, art_seed, foreign_gtin
from deploy.local.photos.emblem import MOTIFS, OUTLINES, SealPrint, draw_logo, draw_seal, logo_outline
from deploy.local.photos.ink import Bytes, Floats, fit_text, font, hsv
from deploy.local.photos.motifs import PATTERNS, PICTURES, paint_ground, paint_picture, shift_hue

T = TypeVar("T", Bytes, Floats)

LOW_RESOLUTION_FACTOR = 7
"""A coarse reprint keeps one of so many pixels each way: about 180 lines over the height of a face."""

_LOOKALIKE = str.maketrans("AEIOUNRSTLMVCDGPBQ", "EAUQNMBZFIWYGOCRPO")
_SMALL = (
    "Ingredients and directions: see the side of the pack. Store in a cool, dry place away from light.",
    "Best before end: see base. Packed in a protective atmosphere. Not suitable for children under 3.",
    "Made for {brand} Ltd, 14 Harbour Row. Questions? Write to care@{slug}.example - we answer.",
)


@dataclass(frozen=True)
class Layout:
    """Where things are printed on a face, in pixels.

    `logo` and `seal` are centre x, centre y, diameter; `barcode` is left, top, module width and height of
    the whole field; the others are left, top, width, height. `depth` is in units of the longer edge.
    """

    width: int
    height: int
    depth: float
    logo: tuple[int, int, int]
    seal: tuple[int, int, int]
    brand: tuple[int, int, int, int]
    headline: tuple[int, int, int, int]
    picture: tuple[int, int, int, int]
    text: tuple[int, int, int, int]
    barcode: tuple[int, int, int, int]
    rounded: bool = False


LAYOUTS = {
    "carton": Layout(
        width=920, height=1280, depth=0.30, logo=(165, 150, 240), seal=(765, 1090, 250),
        brand=(310, 60, 570, 110), headline=(50, 300, 820, 120), picture=(130, 430, 660, 400),
        text=(620, 880, 270, 66), barcode=(30, 868, 5, 300),
    ),
    "wide": Layout(
        width=1280, height=900, depth=0.42, logo=(150, 145, 230), seal=(1110, 690, 260),
        brand=(280, 55, 430, 100), headline=(50, 285, 640, 120), picture=(700, 130, 540, 400),
        text=(60, 420, 560, 66), barcode=(40, 500, 6, 300),
    ),
    "pouch": Layout(
        width=940, height=1280, depth=0.07, logo=(470, 225, 250), seal=(170, 1080, 250),
        brand=(190, 350, 560, 84), headline=(60, 465, 820, 110), picture=(170, 585, 600, 310),
        text=(60, 900, 240, 58), barcode=(340, 905, 5, 272), rounded=True,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Package:
    """A printed package. `front` is HxWx3 without the seal; `alpha` (HxW, 0 to 1) its outline if not a box.

    `marks` maps labels to outlines, Nx2 in pixels of the front; `barcode` and `seal_at` are left, top,
    width, height there. `sides` are plain panels for the side and the top. `depth` is in units of the
    front's longer edge.
    """

    front: Bytes
    alpha: Floats | None
    sides: tuple[Bytes, Bytes]
    depth: float
    marks: Mapping[str, Floats]
    barcode: tuple[int, int, int, int]
    seal: SealPrint | None
    seal_at: tuple[int, int, int, int]


def choose_style(brand: DemoBrand) -> tuple[tuple[str, ...], float, int, int]:
    """Choose what a brand's packages share: the order of shapes, its hue, its emblem's outline and motif."""
    rng = np.random.default_rng(art_seed(brand))
    shapes = tuple(str(shape) for shape in rng.permutation(list(LAYOUTS)))
    return shapes, float(rng.random()), int(rng.integers(OUTLINES)), int(rng.integers(MOTIFS))


@lru_cache(maxsize=28)
def print_package(brand: DemoBrand, product: int, kind: str = "genuine", barcode: str = "printed") -> Package:
    """Print product number `product` of `brand`, genuine or as the fake that `kind` names.

    `barcode` is "printed", "covered" (by a price sticker) or "none"; with "none" there is no seal either.
    """
    rng = np.random.default_rng([art_seed(brand), product])
    shapes, brand_hue, outline, motif = choose_style(brand)
    layout = LAYOUTS[shapes[product % len(shapes)]]
    hue = brand_hue + 0.37 * product + float(rng.uniform(-0.04, 0.04))
    item = brand.products[product]

    canvas = Image.fromarray(paint_ground(rng, layout.width, layout.height, hue, int(rng.integers(PATTERNS))))
    _print_picture(canvas, layout, rng, hue)
    words = item.name.removeprefix(brand.name).split()
    headline = words[0].upper()
    if kind == "altered-text":
        headline = (
            headline[:2]
            + headline[2].translate(_LOOKALIKE)
            + headline[3:-1]
            + headline[-1].translate(_LOOKALIKE)
        )
    _print_words(canvas, layout, brand, headline, " ".join(words[1:]), hue)

    fake = kind == "wrong-logo"
    x, y, size = layout.logo
    dark, bright = hsv(brand_hue + 0.5, 0.85, 0.3), hsv(brand_hue + 0.56, 0.14, 1.0)
    shape = (outline + 2) % OUTLINES if fake else outline
    emblem = draw_logo(shape, (motif + 3) % MOTIFS if fake else motif, dark, bright, size)
    canvas.paste(emblem, (x - size // 2, y - size // 2), emblem)
    x, y, size = layout.seal
    if kind == "missing-seal":
        blank = ImageDraw.Draw(canvas)
        blank.ellipse(
            (x - size // 2, y - size // 2, x + size // 2, y + size // 2), fill=hsv(hue + 0.04, 0.6, 0.74)
        )

    front = np.array(canvas)
    if kind == "colour-shift":
        front = shift_hue(front, float(rng.choice([-0.11, 0.09, 0.13])))
    seal = None if kind == "missing-seal" or barcode == "none" else draw_seal(motif, brand.name, size)
    if kind == "low-resolution":
        front = _coarsen(front)
        seal = seal and SealPrint(_coarsen(seal.relief), seal.phase * 0.3, seal.alpha)
    wear_edges(front, rng)
    place = _print_barcode(
        front, layout, foreign_gtin(brand, item) if kind == "wrong-barcode" else item.gtin, barcode
    )

    seal_outline = [(cos, sin) for cos, sin in logo_outline(0)]
    marks = {FAKE_LOGO if fake else "logo": _scaled(logo_outline(shape), layout.logo)}
    if seal is not None:
        marks["seal"] = _scaled(seal_outline, (x, y, round(size * 0.97)))
    alpha = pouch_outline(front) if layout.rounded else None
    sides = side_panel(brand, layout.depth, hue, kind), top_panel(layout.depth, hue, kind)
    corner = (x - size // 2, y - size // 2, size, size)
    return Package(front, alpha, sides, layout.depth, marks, place, seal, corner)


def _print_picture(canvas: Image.Image, layout: Layout, rng: np.random.Generator, hue: float) -> None:
    left, top, width, height = layout.picture
    accent = hue + float(rng.choice([0.33, 0.5, 0.62]))
    picture = paint_picture(rng, width, height, hue, accent, int(rng.integers(PICTURES)))
    canvas.paste(picture, (left, top), picture)


def _print_words(
    canvas: Image.Image, layout: Layout, brand: DemoBrand, headline: str, kind: str, hue: float
) -> None:
    pen = ImageDraw.Draw(canvas)
    pale, deep = hsv(hue + 0.5, 0.05, 1.0), hsv(hue, 0.9, 0.2)
    left, top, width, height = layout.brand
    face = fit_text(brand.name, "DejaVuSerif-BoldItalic", width, height)
    pen.text((left + width / 2, top + height / 2), brand.name, font=face, fill=pale, anchor="mm")
    note = font("DejaVuSans", round(height * 0.24))
    pen.text(
        (left + width / 2, top + height * 1.12), "fine goods since 1957", font=note, fill=pale, anchor="mm"
    )
    left, top, width, height = layout.headline
    face = fit_text(headline, "DejaVuSans-Bold", width, height)
    middle = left + width / 2
    pen.text((middle + 3, top + 3), headline, font=face, fill=deep, anchor="mt")
    pen.text((middle, top), headline, font=face, fill=pale, anchor="mt")
    _print_small(pen, layout, brand, kind, pale)


def _print_small(
    pen: ImageDraw.ImageDraw, layout: Layout, brand: DemoBrand, kind: str, ink: tuple[int, int, int]
) -> None:
    left, top, width, height = layout.text
    face = fit_text(kind, "DejaVuSans-Bold", width, height // 2)
    pen.text((left + width / 2, top), kind, font=face, fill=ink, anchor="mt")
    pen.text(
        (left + width / 2, top + height),
        "NET 250 g e",
        font=font("DejaVuSans", height // 3),
        fill=ink,
        anchor="ms",
    )
    small = font("DejaVuSans", 13)
    for row, line in enumerate(_SMALL):
        text = line.format(brand=brand.name, slug=brand.slug)
        pen.text((layout.width / 2, layout.height - 62 + 17 * row), text, font=small, fill=ink, anchor="mt")


def _print_barcode(front: Bytes, layout: Layout, gtin: str, barcode: str) -> tuple[int, int, int, int]:
    """Print the barcode's white field, or the price sticker that hides it, or nothing."""
    left, top, module, bars = layout.barcode
    field = draw_ean13(gtin, module, bars - 12 * module)
    if barcode == "covered":
        field = price_sticker(field.shape[1], field.shape[0])
    if barcode != "none":
        front[top : top + field.shape[0], left : left + field.shape[1]] = field
    return left, top, field.shape[1], field.shape[0]


def _coarsen(picture: T) -> T:
    height, width = picture.shape[:2]
    small = (max(1, width // LOW_RESOLUTION_FACTOR), max(1, height // LOW_RESOLUTION_FACTOR))
    coarse = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), picture.dtype)


def _scaled(outline: list[tuple[float, float]], place: tuple[int, int, int]) -> Floats:
    x, y, size = place
    return np.asarray([(x + px * size / 2, y + py * size / 2) for px, py in outline], np.float32)
