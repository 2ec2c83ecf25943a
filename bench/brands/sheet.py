"""A printed face as a list of elements, so that a forger can leave out, reword or move one of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from bench.brands.lettering import Place, Type, write_line, write_paragraph
from deploy.local.photos.emblem import SealPrint, draw_logo, draw_seal, logo_outline
from deploy.local.photos.ink import Bytes, Colour, Floats

Painter = Callable[[Image.Image, Place, str], None]


@dataclass(frozen=True)
class Element:
    """One thing on a face; `others` are wordings that a forger could print instead of `words`.

    `mark` is the label of a mark and `outline` its shape (Nx2, the square from -1 to 1 is `place`).
    Parts of an element are named `element/part` and go when it goes.
    """

    name: str
    place: Place
    paint: Painter
    words: str = ""
    others: tuple[str, ...] = ()
    removable: bool = False
    mark: str = ""
    outline: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Hologram:
    """A foil seal: its print and where it is stuck on."""

    print: SealPrint
    place: Place


@dataclass(frozen=True)
class Sheet:
    """A face to print: `ground` is HxWx3.

    `lot` is where each item gets a number of its own, `paper` where it may have creases, if at all.
    `product_edge` is the product's longer edge in pixels of the sheet, where that is not the sheet's own.
    """

    ground: Bytes
    elements: tuple[Element, ...]
    hologram: Hologram | None = None
    lot: tuple[Place, Type] | None = None
    paper: Place | None = None
    product_edge: int = 0


@dataclass(frozen=True)
class Printed:
    """A printed face: HxWx3, and the outlines of its marks, Nx2 in its pixels."""

    pixels: Bytes
    marks: Mapping[str, Floats] = field(default_factory=dict)
    hologram: Hologram | None = None


def print_sheet(sheet: Sheet) -> Printed:
    """Print all elements in their order; the hologram is lit later, when the point of view is known."""
    canvas = Image.fromarray(sheet.ground)
    marks = {}
    for element in sheet.elements:
        element.paint(canvas, element.place, element.words)
        if element.mark:
            marks[element.mark] = _outline(element.outline, element.place)
    if sheet.hologram is not None:
        marks["seal"] = _outline(tuple(logo_outline(0)), sheet.hologram.place)
    return Printed(np.asarray(canvas), marks, sheet.hologram)


def remove(sheet: Sheet, name: str) -> Sheet:
    """Return the sheet without an element and its parts; `seal` may be the hologram."""
    kept = tuple(e for e in sheet.elements if e.name != name and not e.name.startswith(f"{name}/"))
    hologram = None if name == "hologram" else sheet.hologram
    return replace(sheet, elements=kept, hologram=hologram)


def reword(sheet: Sheet, name: str, words: str) -> Sheet:
    """Return the sheet with other words in one element."""
    changed = tuple(replace(e, words=words) if e.name == name else e for e in sheet.elements)
    return replace(sheet, elements=changed)


def move(sheet: Sheet, name: str, right: int, down: int) -> Sheet:
    """Return the sheet with one element somewhere else, pixels to the right and down."""

    def shifted(element: Element) -> Element:
        left, top, width, height = element.place
        return replace(element, place=(left + right, top + down, width, height))

    return replace(sheet, elements=tuple(shifted(e) if e.name == name else e for e in sheet.elements))


def line(name: str, place: Place, words: str, type: Type, *others: str, removable: bool = False) -> Element:
    """Make an element of one line of words."""
    return Element(
        name, place, lambda canvas, at, text: write_line(canvas, at, text, type), words, others, removable
    )


def paragraph(
    name: str, place: Place, sentences: tuple[tuple[str, str], ...], type: Type, *, removable: bool = False
) -> Element:
    """Make an element of several sentences, each given with a forger's wording of it."""
    genuine = [sentence for sentence, _ in sentences]
    others = tuple(
        " ".join([*genuine[:spot], other, *genuine[spot + 1 :]]) for spot, (_, other) in enumerate(sentences)
    )
    return Element(
        name,
        place,
        lambda canvas, at, text: write_paragraph(canvas, at, text, type),
        " ".join(genuine),
        others,
        removable,
    )


def figure(
    name: str, place: Place, draw: Callable[[int, int], Image.Image], removable: bool = True
) -> Element:
    """Make an element of a picture; `draw` gets its width and height and returns it as RGBA."""

    def paint(canvas: Image.Image, at: Place, _: str) -> None:
        picture = draw(at[2], at[3])
        canvas.paste(picture, at[:2], picture)

    return Element(name, place, paint, removable=removable)


def logo(centre: tuple[int, int], size: int, style: tuple[int, int], dark: Colour, bright: Colour) -> Element:
    """Make the brand's emblem; `style` is the number of its outline and of its motif for `draw_logo`."""
    left, top = centre[0] - size // 2, centre[1] - size // 2
    emblem = figure(
        "logo", (left, top, size, size), lambda w, _: draw_logo(*style, dark, bright, w), removable=False
    )
    return replace(emblem, mark="logo", outline=tuple(logo_outline(style[0])))


def hologram(centre: tuple[int, int], size: int, motif: int, words: str) -> Hologram:
    """Make a foil seal of `size` pixels."""
    return Hologram(draw_seal(motif, words, size), (centre[0] - size // 2, centre[1] - size // 2, size, size))


def _outline(shape: tuple[tuple[float, float], ...], place: Place) -> Floats:
    left, top, width, height = place
    return np.asarray(
        [(left + (x + 1) / 2 * width, top + (y + 1) / 2 * height) for x, y in shape], np.float32
    )
