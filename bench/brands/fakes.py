"""The six kinds of fakes, made in print: the camera treats them like anything else."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product as pairs
from typing import TypeVar

import numpy as np

from bench.brands.lettering import Place
from bench.brands.press import reprint, turn_hue
from bench.brands.sheet import Element, Hologram, Printed, Sheet, move, print_sheet, remove, reword
from deploy.local.photos.emblem import SealPrint
from deploy.local.photos.ink import Bytes

T = TypeVar("T")

KINDS = ("hue-shift", "low-resolution", "proportions", "missing-element", "altered-text", "moved-logo")
"""The kinds of fakes, as the issue on judging names them."""

STRETCH = 1.08
"""A face of wrong proportions is 8 % longer in one direction."""

HUE_SHIFTS = (9.0, 18.0)
"""Degrees, least and most, of either sign: seven sigmas of a genuine print run and more."""

LINES = (300, 460)
"""Least and most lines over a product's longer edge in a coarse reprint: 60 to 90 dpi on 13 cm."""

_MOVES = (0.035, 0.055, 0.075)
"""How far a moved logo goes, as shares of the longer edge."""


@dataclass(frozen=True)
class Forgery:
    """A forged print; `stretch` is (across, along); `region` is what was altered, in pixels of the print."""

    print: Printed
    stretch: tuple[float, float]
    region: Place | None
    note: str


def forge(sheet: Sheet, kind: str, variant: int, rng: np.random.Generator, curved: bool = False) -> Forgery:
    """Make the fake of `kind`; variants go through what could be altered, so that few repeat themselves.

    On `curved` things the print is stretched around them only: their height is that of the thing.

    Raises ValueError for an unknown kind.
    """
    genuine = print_sheet(sheet)
    match kind:
        case "hue-shift":
            degrees = float(rng.uniform(*HUE_SHIFTS)) * (-1) ** variant
            shifted = replace(genuine, pixels=turn_hue(genuine.pixels, degrees))
            return Forgery(shifted, (1, 1), None, f"hue turned by {degrees:+.1f} degrees")
        case "low-resolution":
            lines = int(rng.integers(*LINES))
            edge = max(sheet.ground.shape)
            on_sheet = round(lines * edge / (sheet.product_edge or edge))
            return Forgery(_reprint(genuine, on_sheet), (1, 1), None, f"reprinted at {lines} lines")
        case "proportions":
            along = [] if curved else [(1.0, STRETCH), (1.0, 1 / STRETCH)]
            ways = [(STRETCH, 1.0), (1 / STRETCH, 1.0), *along]
            stretch = ways[variant % len(ways)]
            return Forgery(genuine, stretch, None, f"width x{stretch[0]:.3f}, height x{stretch[1]:.3f}")
        case "missing-element":
            names = [element.name for element in sheet.elements if element.removable]
            names += ["hologram"] if sheet.hologram is not None else []
            name = _turn(names, variant, sheet)
            return _compare(genuine, remove(sheet, name), f"without {name}", sheet.hologram, name)
        case "altered-text":
            wordy = [element for element in sheet.elements if element.others]
            chosen = _turn(wordy, variant, sheet)
            words = _turn(chosen.others, variant // len(wordy), sheet)
            note = f"{chosen.name}: {_difference(chosen.words, words)}"
            return _compare(genuine, reword(sheet, chosen.name, words), note)
        case "moved-logo":
            right, down = _choose_move(sheet, variant)
            return _compare(
                genuine, move(sheet, "logo", right, down), f"logo moved by {right:+d}, {down:+d} px"
            )
    raise ValueError(f"unknown kind of fake {kind!r}: use one of {', '.join(KINDS)}")


def _reprint(print: Printed, lines: int) -> Printed:
    foil = print.hologram
    if foil is not None:
        # The foil of a reprint is ink: it stands at the print's own fineness and hardly plays in the light.
        share = lines * foil.place[2] // max(print.pixels.shape)
        coarse = [reprint(layer, share, 0) for layer in (foil.print.relief, foil.print.phase * 0.3)]
        foil = Hologram(SealPrint(coarse[0], coarse[1], foil.print.alpha), foil.place)
    return replace(print, pixels=reprint(print.pixels, lines, 82), hologram=foil)


def _turn(choices: Sequence[T], variant: int, sheet: Sheet) -> T:
    """Take choice number `variant` of an order that is the sheet's own."""
    order = np.random.default_rng([len(choices), *sheet.ground.shape]).permutation(len(choices))
    return choices[int(order[variant % len(choices)])]


def _choose_move(sheet: Sheet, variant: int) -> tuple[int, int]:
    """Choose a move that stays on the face and covers as little as possible of what else is there."""
    height, width = sheet.ground.shape[:2]
    emblem = next(element for element in sheet.elements if element.mark == "logo")
    reach = _MOVES[variant % len(_MOVES)] * max(width, height)
    left, top, wide, high = emblem.place
    moves = []
    for right, down in pairs((-1, 0, 1), (-1, 0, 1)):
        x, y = round(left + right * reach), round(top + down * reach)
        if (right or down) and 4 <= x <= width - wide - 4 and 4 <= y <= height - high - 4:
            covered = sum(_overlap((x, y, wide, high), other.place) for other in _others(sheet, emblem))
            moves.append((covered, x - left, y - top))
    moves.sort()
    _, right, down = moves[variant // len(_MOVES) % min(3, len(moves))]
    return right, down


def _others(sheet: Sheet, emblem: Element) -> list[Element]:
    """Return what a logo should not cover: all but itself and what it already stands on."""
    return [e for e in sheet.elements if e is not emblem and not _overlap(e.place, emblem.place)]


def _overlap(one: Place, other: Place) -> int:
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    along = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(0, across) * max(0, along)


def _compare(
    genuine: Printed, forged: Sheet, note: str, foil: Hologram | None = None, name: str = ""
) -> Forgery:
    """Print the forged sheet; the altered region is where its pixels are not the genuine ones."""
    print = print_sheet(forged)
    region = foil.place if foil is not None and name == "hologram" else _changed(genuine.pixels, print.pixels)
    return Forgery(print, (1, 1), region, note)


def _changed(one: Bytes, other: Bytes) -> Place:
    changed = np.any(one != other, axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if not len(rows):
        raise ValueError("the fake's print is the genuine one: give the element words that differ")
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


def _difference(was: str, now: str) -> str:
    """Return the words that differ, as `was -> now`."""
    old, new = was.split(), now.split()
    while old and new and old[0] == new[0]:
        old, new = old[1:], new[1:]
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    return f"{' '.join(old)!r} -> {' '.join(new)!r}"
