"""Where bars stand side by side in a picture, however turned, and the one line of grey values across them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

CELL = 8
"""Pixels of a cell's side, in which directions are summed: some bars of a small code."""
ONE_WAY = 0.5
"""How much of a cell's change of grey must lie in one direction; print and noise change in all."""
LEAST_CHANGE = 12.0
"""Square of grey levels a pixel; less is paper."""
SAME_WAY = 0.6
"""Agreement of neighbouring cells' directions, 0 to 1."""
LEAST_CELLS = 12
MARGIN = 0.3
"""Share of the bars' width that is added on both sides: quiet zones, and bars that were not found."""
FINER = 2.0
"""Values of a line to a pixel."""
SLANTS = np.linspace(-0.24, 0.24, 13)
"""Pixels across for each pixel along by which bars may slant: the direction is that of all bars together."""
EAN_MODULES = 95


@dataclass(frozen=True)
class Bars:
    """A patch of bars: `angle` in radians from the x axis to the direction across them; `across` and `along`
    are where it begins and ends on these two axes, in pixels from the picture's corner."""

    angle: float
    across: tuple[float, float]
    along: tuple[float, float]

    @property
    def axes(self) -> tuple[Doubles, Doubles]:
        """Unit vectors across the bars and along them."""
        x, y = np.cos(self.angle), np.sin(self.angle)
        return np.array([x, y]), np.array([-y, x])


@dataclass(frozen=True)
class Line:
    """Darknesses across bars, FINER values to a pixel; `patch` the straightened bars whose mean they are
    (uint8, FINER across, 1 along); `to_picture` (2x3) maps the patch's pixels to the picture's; `module` a
    guess of the values to a module, were the patch an EAN-13 and nothing else."""

    values: Floats
    patch: Grey
    to_picture: Doubles
    module: float


def find_bars(grey: Grey) -> list[Bars]:
    """Patches where grey changes in one direction only, the strongest first."""
    height, width = grey.shape
    if min(height, width) < 4 * CELL:
        return []
    soft = cv2.GaussianBlur(grey, (0, 0), 0.6)
    x, y = (cv2.Scharr(soft, cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    xx, yy, xy = (
        _sum_cells(product / 256, (width // CELL, height // CELL)) for product in (x * x, y * y, x * y)
    )
    one_way, change = np.hypot(xx - yy, 2 * xy), xx + yy
    barred = (one_way > ONE_WAY * change) & (one_way > LEAST_CHANGE)
    # Directions are the same after half a turn, so it is their doubles that are averaged.
    doubled = [cv2.blur(barred * part / (one_way + 1e-6), (3, 3)) for part in (xx - yy, 2 * xy)]
    barred &= np.hypot(*doubled) > SAME_WAY
    mask = cv2.morphologyEx(barred.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    count, patches, stats, _ = cv2.connectedComponentsWithStats(mask)
    found = []
    for number in range(1, count):
        if stats[number, cv2.CC_STAT_AREA] >= LEAST_CELLS:
            inside = patches == number
            angle = 0.5 * np.arctan2(2 * xy[inside].sum(), (xx - yy)[inside].sum())
            found.append((float(one_way[inside].sum()), _measure(inside, float(angle))))
    return [bars for _, bars in sorted(found, key=lambda one: -one[0])]


def draw_lines(grey: Grey, bars: Bars) -> list[Line]:
    """Lines across a patch of bars: over its whole height, and over thirds of it, where bars that fan out,
    or a reflection, spoil the whole."""
    low, high = bars.along
    thirds = np.linspace(low, high, 4)
    bands = [(low, high)]
    if high - low >= 4 * CELL:
        bands += [(float(begin), float(end)) for begin, end in pairwise(thirds)]
    return [_draw_line(grey, bars, band) for band in bands]


def _draw_line(grey: Grey, bars: Bars, band: tuple[float, float]) -> Line:
    begin, end = bars.across
    spare = MARGIN * (end - begin)
    across, along = bars.axes
    corner = across * (begin - spare) + along * band[0]
    size = (int((end - begin + 2 * spare) * FINER), max(4, int(band[1] - band[0])))
    best = (-1.0, 0.0)
    for slant in SLANTS:
        place = _place(corner, across, along, float(slant), size[1])
        # Linear is enough to compare slants.
        patch = cv2.warpAffine(grey, place, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=1)
        middle = patch.mean(axis=0)[size[0] // 5 : -size[0] // 5]
        contrast = float(np.diff(middle).var())
        if contrast > best[0]:
            best = (contrast, float(slant))
    place = _place(corner, across, along, best[1], size[1])
    values = 255 - cv2.warpAffine(
        grey, place, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=1
    )
    return Line(
        values=values.mean(axis=0, dtype=np.float32),
        patch=np.asarray(255 - values, np.uint8),
        to_picture=place,
        module=(end - begin) * FINER / EAN_MODULES,
    )


def _place(corner: Doubles, across: Doubles, along: Doubles, slant: float, height: int) -> Doubles:
    """The map from pixels of a straightened patch to those of the picture: 2x3."""
    down = along + slant * across
    start = corner - across * slant * height / 2
    return np.stack([across / FINER, down, start], axis=1)


def _sum_cells(values: npt.NDArray[np.floating], size: tuple[int, int]) -> Floats:
    cells = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.blur(cells, (3, 3)), np.float32)


def _measure(inside: npt.NDArray[np.bool_], angle: float) -> Bars:
    rows, columns = np.nonzero(inside)
    middles = np.stack([columns + 0.5, rows + 0.5], axis=1) * CELL
    across, along = Bars(angle, (0, 0), (0, 0)).axes
    begin, end = np.percentile(middles @ across, (1, 99))
    low, high = np.percentile(middles @ along, (5, 95))
    half = CELL / 2
    if high - low < CELL:
        low, high = low - half, high + half
    return Bars(angle, (float(begin) - half, float(end) + half), (float(low), float(high)))
