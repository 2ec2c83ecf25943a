"""What is usual for a product, and how far a photo lies off it: one score for each physical cause."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

import cv2
import numpy as np
import numpy.typing as npt

from assay_shared.appearance.measures import MAPS, Measures
from assay_shared.appearance.patches import Doubles, Flags, Floats, shrink
from assay_shared.appearance.proportions import Plane, fit_plane, measure_stretch
from assay_shared.appearance.robust import (
    Gaussian,
    Regression,
    fit_gaussian,
    fit_regression,
    median_of_known,
)
from assay_shared.appearance.spots import Spots, fit_spots
from assay_shared.appearance.threads import map_on_cores

TOP = 0.003
"""Share of the places whose mean is a map's peak: some letters of a line of text."""
PEAKS = (("structure", 1), ("structure", 3), ("colour", 3), ("loss", 1), ("excess", 1), ("shift", 3))
"""Maps and over how many places each way they are averaged before their peak is taken."""
CAUSES = ("ink", "fineness", "proportions", "print", *(f"{name} {scale}" for name, scale in PEAKS))
LOCAL_CAUSES = CAUSES[3:]
"""Those that have a place."""
LEADS = dict.fromkeys(CAUSES, 0.0) | {"ink": 0.2, "fineness": 0.4, "print": 0.9}
"""Spreads by which a cause is ahead where the greatest decides: a hue shows in the ink alone, a coarse print
in the fineness, an altered word in the print, and all other causes add their noise to them; other alterations
show in several. On six tuning brands 6 in 100 more altered words are caught or left open, 7 more coarse
prints, no fewer of any other kind."""
FINE_BANDS = 3
COARSENED = (-1.0, -1 / 4, -1 / 16)
"""The change of the bands' gains, as logarithms, that a coarser print makes: a blur takes from detail by the
square of its frequency, and each band lies an octave under the one before."""
MOST_COARSE = 30.0
"""Spreads beyond which a print is not told to be coarser still."""
SHOWN = 0.3
"""Share of the photos that must show a place for it to be judged."""


@dataclass(frozen=True)
class Statistics:
    """The genuine photos' statistics: `places_mean` and `places_spread` (m, rows, columns) of each map,
    and what each cause's score is computed with."""

    places_mean: Floats
    places_spread: Floats
    inks: Gaussian
    usual: Doubles
    fine: Regression
    fine_rest: Gaussian
    plane: Plane
    stretch: float
    stretch_spread: float
    spots: Spots

    def score(self, measures: Measures) -> dict[str, float]:
        """How far a photo departs, by cause: higher is further; the scales of causes differ."""
        stretch, uncertainty = measure_stretch(measures.view, self.plane)
        scores = {
            "ink": float(self.inks.distance(measures.inks.astype(float))),
            "fineness": self._score_fineness(measures),
            "proportions": abs(stretch - self.stretch) / float(np.hypot(self.stretch_spread, uncertainty)),
            "print": self.spots.score(measures.unexplained),
        }
        departures = self.map_departures(measures)
        for name, scale in PEAKS:
            scores[f"{name} {scale}"] = find_peak(average_places(departures[name], scale))
        return scores

    def score_all(self, photos: Iterable[Measures]) -> Doubles:
        """How far photos depart (n, c), by CAUSES."""
        rows = [self.score(one) for one in photos]
        return np.array([[row[cause] for cause in CAUSES] for row in rows])

    def map_departures(self, measures: Measures) -> dict[str, Floats]:
        """By kind of map, how many spreads each place (rows, columns) lies off what is usual there; nan where
        it cannot be judged."""
        off = dict(zip(MAPS, (measures.maps - self.places_mean) / self.places_spread, strict=True))
        return {
            "structure": off["structure"],
            "colour": np.sqrt(off["colour_a"] ** 2 + off["colour_b"] ** 2 + off["lightness"] ** 2),
            "loss": -off["detail"],
            "excess": off["detail"],
            "shift": np.hypot(off["shift_x"], off["shift_y"]),
        }

    def _score_fineness(self, measures: Measures) -> float:
        """How much coarser the print is than the photo explains, in spreads, as an exponential: it scatters
        evenly, and scores are compared by their logarithms."""
        covariates = _covariates(measures)[None]
        known = np.where(np.isfinite(covariates), covariates, self.usual)
        rest = self.fine.rest(known, measures.transfer[0, :FINE_BANDS].astype(float)[None])[0]
        way = self.fine_rest.precision @ np.array(COARSENED)
        coarser = (rest - self.fine_rest.mean) @ way / np.sqrt(way @ np.array(COARSENED))
        return float(np.expm1(np.clip(coarser, 0, MOST_COARSE)))


def fit_statistics(photos: Sequence[Measures]) -> Statistics:
    """The statistics of genuine photos."""
    maps = np.stack([one.maps for one in photos])
    seen = np.isfinite(maps)
    middle = np.where(_find_inner(seen[:, 0]), median_of_known(maps, seen), np.float32(np.nan))
    spread = _measure_spread(np.where(seen, np.abs(maps - middle), 0), seen)
    covariates = np.stack([_covariates(one) for one in photos])
    usual = np.array([np.median(c[np.isfinite(c)]) if np.isfinite(c).any() else 0.0 for c in covariates.T])
    covariates = np.where(np.isfinite(covariates), covariates, usual)
    gains = np.stack([one.transfer[0, :FINE_BANDS] for one in photos]).astype(float)
    fine = fit_regression(covariates, gains)
    plane = fit_plane(np.stack([one.view for one in photos]))
    stretches = np.array([measure_stretch(one.view, plane)[0] for one in photos])
    return Statistics(
        places_mean=middle.astype(np.float32),
        places_spread=spread.astype(np.float32),
        inks=fit_gaussian(np.stack([one.inks for one in photos]).astype(float), 0.01),
        usual=usual,
        fine=fine,
        fine_rest=fit_gaussian(fine.rest(covariates, gains), 0.01),
        plane=plane,
        stretch=float(np.median(stretches)),
        stretch_spread=float(1.4826 * np.median(np.abs(stretches - np.median(stretches))) + 1e-4),
        spots=fit_spots(np.stack([one.unexplained for one in photos])),
    )


def score_left_out(photos: Sequence[Measures], folds: npt.NDArray[np.int64]) -> Doubles:
    """How far each photo departs (n, c) by CAUSES, by the statistics of those in other folds (n,)."""
    scores = np.zeros((len(photos), len(CAUSES)))

    def score(fold: np.int64) -> None:
        own = folds == fold
        scores[own] = fit_statistics([*compress(photos, ~own)]).score_all(compress(photos, own))

    map_on_cores(score, np.unique(folds))
    return scores


def _find_inner(seen: Flags) -> Flags:
    """Places (rows, columns) that most photos (n, rows, columns) show, but for the outermost: over the edge
    of the print lies what is behind it, other in every photo."""
    return shrink(seen.mean(0) > SHOWN, 1)


def _measure_spread(away: Floats, seen: Flags) -> Floats:
    """How far genuine photos are off the middle (n, m, rows, columns) at every place: (m, rows, columns).

    The root mean square, and not less than a third of the most: where a few photos have shown glare, a fold
    or what lies behind the edge, others may too, which a median would never tell.
    """
    own = np.sqrt((away**2).sum(0) / np.maximum(seen.sum(0), 1))
    own = np.maximum(own, away.max(0) / 3)
    whole = np.array([np.median(part[part > 0]) if (part > 0).any() else 1.0 for part in own])
    # Half of a place's variance is its own, half that of all places: 62 photos know a variance to 20 %.
    return np.asarray(np.sqrt(0.5 * own**2 + 0.5 * whole[:, None, None] ** 2) + 1e-6, np.float32)


def average_places(departures: Floats, scale: int) -> Floats:
    """Departures (rows, columns) averaged over `scale` x `scale` places; nan stays nan and counts nothing."""
    if scale == 1:
        return departures
    known = np.isfinite(departures)
    value = cv2.blur(np.where(known, departures, 0).astype(np.float32), (scale, scale))
    weight = cv2.blur(known.astype(np.float32), (scale, scale))
    return np.asarray(np.where(known, value / np.maximum(weight, 1e-3), np.nan), np.float32)


def find_peak(departures: Floats) -> float:
    """The mean of the TOP share of the places that can be judged; 0 where none can."""
    values = departures[np.isfinite(departures)]
    if not len(values):
        return 0.0
    count = max(2, round(TOP * len(values)))
    return float(np.partition(values, -count)[-count:].mean())


def _covariates(measures: Measures) -> Doubles:
    """What explains how much detail a photo shows, print aside (6,): softness of edges outside of the
    print, photo pixels a frame pixel, gain of coarse detail, contrast of the light, and noise, which is what
    fine detail (of the second band) is not the print's."""
    sharpest, typical = measures.softness
    return np.array(
        [
            np.log(sharpest),
            np.log(typical),
            np.log(measures.density),
            measures.transfer[0, -1],
            measures.contrast,
            measures.transfer[1, 1],
        ]
    )
