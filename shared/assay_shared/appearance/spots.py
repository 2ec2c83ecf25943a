"""Small spots of print that depart: a word, a line, a logo. What is left unexplained is summed over windows
of their sizes, for one place of a changed word is no worse than a crease, and all of them together are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from assay_shared.appearance.patches import Floats, shrink
from assay_shared.appearance.robust import median_of_known

SIZES = ((2, 2), (4, 2), (8, 3), (12, 4))
"""Tiles across and along: a figure, a short word, a long one, a line or a logo."""
FLOOR = 5.0
"""Squared grey values: energy under it is noise in any photo."""
OWN = 0.5
"""Share of a place's variance that is its own, the rest that of all places: few photos know it roughly."""
TAIL = 0.8
"""Share of the standard deviation under which a spread does not fall: a place where one photo of ten
departs is no quiet one."""
RIDGE = 0.3
_KNOWN = 0.6
_SHOWN = 0.5
_REACH = 2.5


@dataclass(frozen=True)
class Spots:
    """What genuine photos leave unexplained, by size of spot: the logarithm of the energy in `centre`
    (sizes, rows, columns), its `spread`, and by how much of a spread of `levels` (sizes, 2; mean and
    spread) it follows a photo's general level, `slope`; nan where too few photos show a place. `peaks`
    (sizes, 2): median and spread of the photos' highest departures, by which sizes are compared."""

    centre: Floats
    spread: Floats
    slope: Floats
    levels: Floats
    peaks: Floats

    def map_departures(self, energy: Floats) -> Floats:
        """Spreads by which the spot of each size around each tile departs (sizes, rows, columns), nan where
        it cannot be judged."""
        rows = zip(sum_spots(energy), self.centre, self.spread, self.slope, self.levels, strict=True)
        return np.stack([_depart(*row) for row in rows])

    def score(self, energy: Floats) -> float:
        """How far the spot that departs most does, whatever its size: above 0, about 1 where it is usual."""
        peaks = find_peaks(self.map_departures(energy))
        return float(np.logaddexp(0, ((peaks - self.peaks[:, 0]) / self.peaks[:, 1]).max()))


def fit_spots(energies: Floats) -> Spots:
    """What is usual among the maps (n, rows, columns) of genuine photos."""
    whole = np.stack([sum_spots(energy) for energy in energies])
    fitted = [_fit_size(whole[:, size]) for size in range(len(SIZES))]
    centre, spread, slope, levels = (np.stack(part) for part in zip(*fitted, strict=True))
    spots = Spots(centre, spread, slope, levels, np.tile(np.array([0, 1], np.float32), (len(SIZES), 1)))
    peaks = np.stack([find_peaks(spots.map_departures(energy)) for energy in energies])
    middle = np.median(peaks, 0)
    scatter = 1.4826 * np.median(np.abs(peaks - middle), 0) + 0.1
    return Spots(centre, spread, slope, levels, np.stack([middle, scatter], 1).astype(np.float32))


def sum_spots(energy: Floats) -> Floats:
    """The logarithm of the mean energy around each tile, for each size of spot: (sizes, rows, columns)."""
    known = np.isfinite(energy)
    filled, weight = np.where(known, energy, 0).astype(np.float32), known.astype(np.float32)
    sums = []
    for size in SIZES:
        share = cv2.blur(weight, size, borderType=cv2.BORDER_CONSTANT)
        mean = cv2.blur(filled, size, borderType=cv2.BORDER_CONSTANT) / np.maximum(share, 1e-3)
        sums.append(np.where(share > _KNOWN, np.log(mean + FLOOR), np.nan))
    return np.stack(sums).astype(np.float32)


def find_peaks(departures: Floats) -> Floats:
    """The highest departure (sizes,) of maps (sizes, rows, columns); 0 where nothing can be judged."""
    return _narrow(np.nan_to_num(departures, nan=0.0).max((1, 2)))


def _depart(logs: Floats, centre: Floats, spread: Floats, slope: Floats, levels: Floats) -> Floats:
    off = logs - centre
    known = off[np.isfinite(off)]
    level = float(np.median(known)) if len(known) else 0.0
    unusual = float(np.clip((level - levels[0]) / levels[1], -_REACH, _REACH))
    return np.asarray((off - level - slope * unusual) / spread, np.float32)


def _fit_size(logs: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Centre, spread, slope and levels of the maps (n, rows, columns) of one size."""
    known = np.isfinite(logs)
    # Over the edge of the print lies what is behind it, other in every photo.
    shown = shrink(known.mean(0) >= _SHOWN, 1)
    centre = median_of_known(logs, known)
    off = np.where(known & shown, logs - centre, np.nan)
    levels = np.array([np.median(one[np.isfinite(one)]) if np.isfinite(one).any() else 0.0 for one in off])
    off -= levels[:, None, None]
    usual = np.array([levels.mean(), levels.std() + 1e-3])
    unusual = (levels - usual[0]) / usual[1]
    slope = np.tensordot(unusual, np.nan_to_num(off, nan=0.0), 1) / (len(logs) * (1 + RIDGE))
    off -= slope * unusual[:, None, None]
    rest = np.isfinite(off)
    middle = median_of_known(off, rest)
    apart = np.where(rest, off - middle, 0)
    scatter = 1.4826 * median_of_known(np.abs(apart), rest)
    deviation = np.sqrt((apart**2).sum(0) / np.maximum(rest.sum(0), 1))
    spread = np.maximum(scatter, TAIL * deviation)
    whole = float(np.median(spread[shown])) if shown.any() else 1.0
    spread = np.sqrt(OWN * spread**2 + (1 - OWN) * whole**2) + 1e-3
    centre = np.where(shown, centre + middle, np.nan)
    return _narrow(centre), _narrow(spread), _narrow(slope), _narrow(usual)


def _narrow(values: npt.NDArray[np.floating[Any]]) -> Floats:
    return np.asarray(values, np.float32)
