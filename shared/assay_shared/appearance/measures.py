"""What is measured of an aligned photo: one number or map for each physical cause."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from assay_shared.appearance.alignment import Aligned
from assay_shared.appearance.fineness import measure_softness, measure_transfer, split_bands
from assay_shared.appearance.light import Lit, explain_light, measure_change, to_opponent
from assay_shared.appearance.patches import Doubles, Flags, Floats, Patch, to_grey
from assay_shared.appearance.proportions import to_view
from assay_shared.appearance.reference import Reference, to_lightness
from assay_shared.appearance.unexplained import map_unexplained
from assay_shared.appearance.views import outline_print

PLACE = 12
"""Edge of a place, in frame pixels: a letter of small print."""
MAPS = ("structure", "colour_a", "colour_b", "lightness", "detail", "shift_x", "shift_y")
"""One minus the local correlation with the reference; difference of opponent colours and lightness, in grey
values; log of the energy of fine detail by that of the reference; displacement in frame pixels."""
MOST_CHANGE = 60.0
"""Grey values by which the glare may change from a place to its neighbours: its edge is no print."""
COVER = 4
"""Frame pixels a pixel of what is laid over."""
_NOISE = 6.0
_FAINT = 2.0


@dataclass(frozen=True)
class Measures:
    """`maps` (m, rows, columns) by MAPS, nan where a place cannot be judged; `unexplained` (rows, columns),
    the energy that `unexplained.map_unexplained` leaves in each tile; `transfer` (2, BANDS);
    `softness`, blur of edges outside of the print in frame pixels, of the sharpest and the typical, nan
    where there are none; `inks` (4,); `view` (3, 3), the homography for the proportions; `glare` and
    `covered`, shares of the print that are burnt out and that are judged; `density` photo pixels a frame
    pixel; `agreement` of the alignment; `contrast` the exponent of the light; `bend` how far the
    modes were needed, in spreads (root of the sum of squares)."""

    maps: Floats
    unexplained: Floats
    transfer: Floats
    softness: tuple[float, float]
    inks: Floats
    view: Doubles
    glare: float
    covered: float
    density: float
    agreement: float
    contrast: float
    bend: float


def measure(aligned: Aligned, patch: Patch, reference: Reference) -> Measures:
    """Measures an aligned photo against its reference."""
    lit = explain_light(aligned.pixels, reference.pixels, reference.mask & aligned.seen)
    grey = to_lightness(lit.relight(aligned.pixels))
    size = (grey.shape[1], grey.shape[0])
    judged = cv2.resize(lit.judged.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    shown = reference.inner & aligned.seen
    judged &= shown
    bands = split_bands(_cover(grey, reference.lightness, shown))
    transfer = measure_transfer(bands, reference.bands, np.asarray(judged))
    # As this photo would show the reference: each band with the gain that the whole photo has.
    expected = [
        np.float32(gain) * band for gain, band in zip(np.exp(transfer[0]), reference.bands, strict=True)
    ]
    ours, theirs = _add(bands), _add(expected)
    structure = _map_structure(ours, theirs, np.asarray(judged))
    detail = _map_detail(bands[0] + bands[1], expected[0] + expected[1], np.asarray(judged))
    maps = np.stack([structure, *_map_colour(lit, reference), detail, *_map_shift(aligned)])
    glaring = measure_change(lit.veil, (maps.shape[2], maps.shape[1]), 1) > MOST_CHANGE
    maps[:, glaring | (_pool(judged.astype(np.float32)) < 0.5)] = np.nan
    return Measures(
        maps=maps,
        unexplained=map_unexplained(ours, theirs, np.asarray(judged), lit.veil, aligned),
        transfer=transfer,
        softness=_measure_outside(aligned, patch, reference),
        inks=lit.inks.astype(np.float32).ravel(),
        view=to_view(aligned, patch, reference.frame.width, reference.frame.height),
        glare=lit.glare,
        covered=float(judged[reference.inner].mean()) if reference.inner.any() else 0.0,
        density=aligned.density,
        agreement=aligned.agreement,
        contrast=lit.contrast,
        bend=float(np.linalg.norm(aligned.bend)),
    )


def _cover(ours: Floats, theirs: Floats, shown: Flags) -> Floats:
    """Lightness (h, w) with the reference's laid over all that is no print, as bright as ours is around
    there: what lies behind the product, and the photo's edge, would reach into the bands beside them."""
    weight = shown.astype(np.float32)
    size = (weight.shape[1] // COVER, weight.shape[0] // COVER)

    def around(values: Floats) -> Floats:
        small = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(small, (0, 0), 2.0), np.float32)

    brighter = around((ours - theirs) * weight) / np.maximum(around(weight), np.float32(0.01))
    whole = cv2.resize(brighter, (weight.shape[1], weight.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.where(shown, ours, theirs + whole), np.float32)


def _map_structure(ours: Floats, theirs: Floats, judged: Flags) -> Floats:
    """What local correlation of all detail (h, w) with the expected lacks of 1: (rows, columns)."""
    weight = judged.astype(np.float32)
    one, other = ours * weight, theirs * weight
    product, a, b = _pool(one * other), _pool(one * one), _pool(other * other)
    structure = 1 - (product + _NOISE) / np.sqrt((a + _NOISE) * (b + _NOISE))
    return np.asarray(structure, np.float32)


def _map_detail(ours: Floats, theirs: Floats, judged: Flags) -> Floats:
    """Local energy of fine detail (h, w) by the expected one's, as a logarithm: (rows, columns)."""
    weight = judged.astype(np.float32)
    fine, expected = ours * weight, theirs * weight
    detail = np.log((_pool(fine * fine) + _FAINT) / (_pool(expected * expected) + _FAINT))
    return np.asarray(detail, np.float32)


def _add(bands: list[Floats]) -> Floats:
    """All detail of bands (h, w)."""
    return np.asarray(bands[0] + bands[1] + bands[2] + bands[3], np.float32)


def _map_colour(lit: Lit, reference: Reference) -> Floats:
    """Differences of opponent colours and lightness: (3, rows, columns)."""
    known = reference.half.astype(np.float32)
    difference = np.dstack(
        [to_opponent(lit.half) - to_opponent(known), to_lightness(lit.half) - to_lightness(known)]
    )
    weight = lit.judged.astype(np.float32)
    size = (reference.frame.width // PLACE, reference.frame.height // PLACE)
    share = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(
        np.asarray(difference * weight[..., None], np.float32), size, interpolation=cv2.INTER_AREA
    )
    return np.asarray(np.moveaxis(mean / np.maximum(share, 0.1)[..., None], -1, 0), np.float32)


def _map_shift(aligned: Aligned) -> Floats:
    """Displacements in frame pixels: (2, rows, columns)."""
    size = (aligned.pixels.shape[1] // PLACE, aligned.pixels.shape[0] // PLACE)
    return np.asarray(
        np.moveaxis(cv2.resize(aligned.residual * 2, size, interpolation=cv2.INTER_LINEAR), -1, 0)
    )


def _pool(values: Floats) -> Floats:
    """The mean of each place, with some of its neighbours'."""
    size = (values.shape[1] // PLACE, values.shape[0] // PLACE)
    return np.asarray(
        cv2.GaussianBlur(cv2.resize(values, size, interpolation=cv2.INTER_AREA), (3, 3), 0.6), np.float32
    )


def _measure_outside(aligned: Aligned, patch: Patch, reference: Reference) -> tuple[float, float]:
    """Softness of edges outside of all that the photos have in common, in frame pixels: a print's own edges
    would say of a coarse one that it was badly photographed."""
    grey, _ = to_grey(patch.pixels)
    to_patch = np.linalg.inv(patch.to_photo()) @ aligned.pose
    inner = np.asarray(cv2.erode(reference.alike.astype(np.uint8), np.ones((9, 9), np.uint8)), np.uint8)
    outlines = outline_print(inner, to_patch, aligned.bend, reference.frame)
    inside = cv2.fillPoly(np.zeros_like(grey), outlines, (1,))
    sharpest, typical = measure_softness(grey, np.asarray(inside == 0))
    return sharpest / (aligned.density * patch.scale), typical / (aligned.density * patch.scale)
