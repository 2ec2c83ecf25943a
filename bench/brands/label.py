"""A paper label around a vessel of one colour."""

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from bench.brands.bodies import Body
from bench.brands.grounds import paint_pattern
from bench.brands.lettering import (
    GROTESK,
    MODERN,
    SANS,
    SANS_BOLD,
    SERIF_BOLD,
    TIMES,
    TIMES_BOLD,
    Grid,
    Place,
    Type,
)
from bench.brands.ornaments import draw_frame, draw_medal
from bench.brands.product import LOGO, SEAL, Identity, Product
from bench.brands.sheet import Element, Sheet, figure
from deploy.local.photos.emblem import logo_outline
from deploy.local.photos.ink import Bytes, Colour, gradient, hsv

FONTS = ((TIMES_BOLD, TIMES), (SANS_BOLD, GROTESK), (SERIF_BOLD, MODERN))
"""Pairs of a bold and a light font."""


@dataclass(frozen=True)
class Label:
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


def choose_label(who: Identity, place: Place, seed: int) -> Label:
    """Choose the paper and the inks of a label; neighbouring seeds are dark and light in turn."""
    dark = seed % 2 == 1
    paper = hsv(who.hue + 0.08, 0.65, 0.3) if dark else hsv(who.hue + 0.06, 0.12, 0.97)
    ink = (250, 244, 226) if dark else hsv(who.hue, 0.75, 0.26)
    return Label(place, ink, hsv(who.hue + 0.5, 0.7, 0.95 if dark else 0.62), paper)


def make_medal(who: Identity, label: Label, spot: tuple[int, int], size: int, word: str) -> Element:
    """Make a medal, the mark `seal`, its top left corner at `spot`."""
    medal = figure(
        "seal",
        (*spot, size, size),
        lambda w, _: draw_medal(w, label.second, label.paper, f"{who.name.upper()} * AWARD * ", word, 28),
    )
    return replace(medal, mark=SEAL, outline=tuple(logo_outline(0)))


def fill_vessel(
    who: Identity,
    grid: Grid,
    glass: Colour,
    label: Label,
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


def _paper(label: Label, seed: int) -> Bytes:
    """The label's paper: a faint pattern within a frame."""
    width, height = label.place[2:]
    shares = np.multiply(label.paper, 0.93) + np.multiply(label.second, 0.07)
    mark: Colour = (int(shares[0]), int(shares[1]), int(shares[2]))
    paper = Image.fromarray(paint_pattern(width, height, seed * 3 + 2, (label.paper, label.paper), mark, 14))
    frame = draw_frame(width, height, label.second, (12, 26), 0.0 if seed % 2 else 0.04)
    paper.paste(frame, (0, 0), frame)
    return np.asarray(paper)
