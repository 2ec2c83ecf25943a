"""The things that carry a print: cartons, sheets of paper, cans, bottles, jars, and a flat silhouette."""

from collections.abc import Callable
from dataclasses import dataclass
from math import radians

import cv2
import numpy as np

from bench.brands.shapes import Bent, Frustum, Plane, Surface
from deploy.local.photos.geometry import Solid
from deploy.local.photos.ink import Bytes, Colour, Floats, gradient


@dataclass(frozen=True)
class Patch:
    """A surface with its print (HxWx3); `alpha` (HxW, 0 to 1) cuts it out; `gloss` is 0 (matt) to 1."""

    surface: Surface
    print: Bytes
    gloss: float
    alpha: Floats | None = None


@dataclass(frozen=True)
class Built:
    """A thing as it stands: patches from back to front, which of them is the printed face, and its box."""

    patches: tuple[Patch, ...]
    face: int
    solid: Solid


@dataclass(frozen=True)
class Body:
    """A kind of thing. `build` gets the face's print, its (width, height) in package units and a random part.

    `curved` bodies keep their shape when a print of wrong proportions is put on them; the others are cut to
    the print. `stands` tells whether it stands upright on a table (chance, 0 to 1).
    """

    build: Callable[[Bytes, tuple[float, float], np.random.Generator], Built]
    stands: float
    curved: bool = False


ARC = radians(230)
"""The angle that the sheet of a round thing spans: what can be seen of it however it is turned."""

TURN = radians(15)
"""How far a round thing is turned about its axis, either way."""


def carton(depth: float, gloss: float, panel: Colour) -> Body:
    """A box of `depth` in units of the longer edge of its front, its other sides in one colour."""

    def build(print: Bytes, size: tuple[float, float], rng: np.random.Generator) -> Built:
        w, h = size[0] / 2, size[1] / 2
        side = _plain(panel)
        faces = (
            Plane((w, -h, 0), (0, 0, depth), (0, 2 * h, 0)),
            Plane((-w, -h, depth), (0, 0, -depth), (0, 2 * h, 0)),
            Plane((-w, -h, depth), (2 * w, 0, 0), (0, 0, -depth)),
            Plane((-w, h, 0), (2 * w, 0, 0), (0, 0, depth)),
        )
        front = Patch(Plane((-w, -h, 0), (2 * w, 0, 0), (0, 2 * h, 0)), print, gloss)
        patches = (*(Patch(face, side, gloss) for face in faces), front)
        return Built(patches, 4, Solid(*size, depth))

    return Body(build, stands=0.45)


def paper(bow: float = 0.03, fold: float = 0.035) -> Body:
    """A sheet that is not quite flat: bowed and folded by at most so much, in units of its longer edge."""

    def build(print: Bytes, size: tuple[float, float], rng: np.random.Generator) -> Built:
        surface = Bent(
            *size,
            along=int(rng.integers(2)),
            bow=float(rng.uniform(0, bow)),
            fold_at=float(rng.uniform(0.25, 0.75)),
            fold=float(rng.uniform(-fold, fold)),
        )
        return Built((Patch(surface, print, 0.15),), 0, Solid(*size, 0.02))

    return Body(build, stands=0.0)


def cutout(alpha: Floats, gloss: float, depth: float = 0.08) -> Body:
    """A flat thing of any outline: `alpha` is HxW, 0 to 1, of the print's size."""

    def build(print: Bytes, size: tuple[float, float], rng: np.random.Generator) -> Built:
        w, h = size[0] / 2, size[1] / 2
        face = Plane((-w, -h, 0), (2 * w, 0, 0), (0, 2 * h, 0))
        return Built((Patch(face, print, gloss, alpha),), 0, Solid(*size, depth))

    return Body(build, stands=0.0)


def can(arc: float = ARC) -> Body:
    """A drinks can: its print all around, of which `arc` (radians) is on the sheet; ends of bare metal."""

    def build(print: Bytes, size: tuple[float, float], rng: np.random.Generator) -> Built:
        radius, total = size[0] / arc, size[1] + 0.11
        metal = _metal()
        profile = (
            (0.045, 0.78 * radius, 0.84 * radius, metal),
            (0.035, 0.84 * radius, radius, metal),
            (size[1], radius, radius, None),
            (0.03, radius, 0.8 * radius, metal),
        )
        return _stand(profile, print, (arc, 0.9), radius, total, rng, _lid())

    return Body(build, stands=1.0, curved=True)


def bottle(glass: Colour, cap: Colour, arc: float = ARC) -> Body:
    """A bottle of one colour, its label (and the glass around it) on the sheet; `arc` as for a can."""

    def build(print: Bytes, size: tuple[float, float], rng: np.random.Generator) -> Built:
        radius, total = size[0] / arc, 1.56 * size[1]
        colour, top = _plain(glass), _plain(cap)
        profile = (
            (0.10 * size[1], 0.38 * radius, 0.38 * radius, top),
            (0.16 * size[1], 0.33 * radius, 0.38 * radius, colour),
            (0.14 * size[1], 0.38 * radius, 0.82 * radius, colour),
            (0.13 * size[1], 0.82 * radius, radius, colour),
            (size[1], radius, radius, None),
            (0.03 * size[1], radius, 0.93 * radius, colour),
        )
        return _stand(profile, print, (arc, 0.45), radius, total, rng, top)

    return Body(build, stands=1.0, curved=True)


def jar(glass: Colour, lid: Colour, arc: float = ARC) -> Body:
    """A short wide jar with a screw lid; `arc` as for a can."""

    def build(print: Bytes, size: tuple[float, float], rng: np.random.Generator) -> Built:
        radius, total = size[0] / arc, 1.42 * size[1]
        colour, top = _plain(glass), _plain(lid)
        profile = (
            (0.22 * size[1], 0.9 * radius, 0.9 * radius, top),
            (0.14 * size[1], 0.86 * radius, radius, colour),
            (size[1], radius, radius, None),
            (0.06 * size[1], radius, 0.93 * radius, colour),
        )
        return _stand(profile, print, (arc, 0.5), radius, total, rng, top)

    return Body(build, stands=1.0, curved=True)


def _stand(
    profile: tuple[tuple[float, float, float, Bytes | None], ...],
    print: Bytes,
    finish: tuple[float, float],
    radius: float,
    total: float,
    rng: np.random.Generator,
    lid: Bytes,
) -> Built:
    """Stack rings (height, radius above, radius below, colour or None for the print) from the top down.

    `finish` is the print's arc and gloss. The whole is scaled to a longer edge of 1.
    """
    unit = 1 / max(total, 2 * radius)
    turn = float(rng.uniform(-TURN, TURN))
    axis, y = radius * unit, -total * unit / 2
    patches: list[Patch] = []
    face = 0
    for height, above, below, colour in profile:
        end = y + height * unit
        part = (axis, y, end, above * unit, below * unit)
        if colour is None:
            face = len(profile) - 1 - len(patches)
            patches.append(Patch(Frustum(*part, arc=finish[0], turn=turn), print, finish[1]))
        else:
            patches.append(Patch(Frustum(*part), colour, 0.5))
        y = end
    rim, top = profile[0][1] * unit, -total * unit / 2
    closed = Plane((-rim, top, axis + rim), (2 * rim, 0, 0), (0, 0, -2 * rim), round=True)
    solid = Solid(2 * radius * unit, total * unit, 2 * radius * unit)
    return Built((*reversed(patches), Patch(closed, lid, 0.4)), face, solid)


def _metal() -> Bytes:
    """Bare aluminium: bands of light and dark around."""
    shine = 168 + 46 * np.sin(np.linspace(0, 9, 256)) + 22 * np.sin(np.linspace(1, 31, 256))
    return np.repeat(np.repeat(shine.astype(np.uint8)[None, :, None], 16, axis=0), 3, axis=2)


def _lid() -> Bytes:
    """The top of a can: a rim, a sunken plate and the tab."""
    picture = np.full((256, 256, 3), 176, np.uint8)
    for radius, tone in ((124, 222), (112, 120), (108, 170)):
        cv2.circle(picture, (128, 128), radius, (tone, tone, tone), 8, cv2.LINE_AA)
    cv2.ellipse(picture, (128, 172), (30, 44), 0, 0, 360, (140, 140, 140), 4, cv2.LINE_AA)
    cv2.ellipse(picture, (128, 122), (24, 38), 0, 0, 360, (206, 206, 206), -1, cv2.LINE_AA)
    cv2.circle(picture, (128, 104), 12, (96, 96, 96), 4, cv2.LINE_AA)
    return picture


def _plain(colour: Colour, size: int = 64) -> Bytes:
    dim = tuple(int(part * 0.9) for part in colour)
    return gradient(size, size, colour, (dim[0], dim[1], dim[2]), 1.2)
