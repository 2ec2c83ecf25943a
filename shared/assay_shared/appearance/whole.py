"""Products without print to align by (a watch, a shoe): their colours and fineness as a whole.

Much weaker than a comparison place by place: of fakes of a watch and a shoe that were never seen, other hues
stand out (area under the ROC curve .99), coarse prints a little (.74), altered, moved or missing parts not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from assay_shared.appearance.fineness import split_bands
from assay_shared.appearance.frames import FRAME
from assay_shared.appearance.patches import Doubles, Flags, Patch, to_grey
from assay_shared.appearance.robust import Gaussian, fit_gaussian
from assay_shared.appearance.significance import Significance, fit_significance

TRAITS = ("colour", "fineness")
"""Quantiles of the logarithms of red by green and of yellow by blue; logarithms of the energy of each band of
detail by that of the next."""
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
MIDDLE = 0.36
"""Half axes of the ellipse that is looked at, in shares of the patch: what lies around the product is not."""
SMALL = 256
"""Pixels of the long side at which colours are looked at."""
FLOOR = 0.02
LEAST_DENSITY_SHARE = 0.8
"""Of the least that genuine photos have."""
_DARK = 0.01
_FAINT = 0.5


@dataclass(frozen=True)
class WholeModel:
    """A product's usual traits, each a Gaussian; what their scores mean. `density`: photo pixels of a patch
    by FRAME at least."""

    usual: Mapping[str, Gaussian]
    significance: Significance
    density: float

    def judge(self, patch: Patch) -> WholeJudgement:
        """Judges the product in a patch."""
        [scores] = _score(self.usual, [describe_whole(patch)])
        p, causes = self.significance.find_p_values(dict(zip(TRAITS, scores, strict=True)), np.zeros(1))
        return WholeJudgement(p, causes, measure_density(patch))


@dataclass(frozen=True)
class WholeJudgement:
    """`p`: the chance of a genuine photo to depart as far; `causes` the same by trait; `density` photo pixels
    of the patch by FRAME."""

    p: float
    causes: Mapping[str, float]
    density: float


def describe_whole(patch: Patch) -> dict[str, Doubles]:
    """The traits of the middle of a patch: (10,) and (3,)."""
    height, width = patch.pixels.shape[:2]
    scale = SMALL / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(patch.pixels, size, interpolation=cv2.INTER_AREA)
    logs = np.log(small[_find_middle(size[0], size[1])].astype(np.float64) / 255 + _DARK)
    red, green, blue = logs.T
    opponent = np.stack([red - green, (red + green) / 2 - blue], -1)
    grey, _ = to_grey(patch.pixels)
    middle = _find_middle(width, height)
    energies = [
        np.log(float((band[middle] ** 2).mean()) + _FAINT) for band in split_bands(grey.astype(np.float32))
    ]
    return {
        "colour": np.quantile(opponent, QUANTILES, axis=0).ravel(),
        "fineness": -np.diff(np.array(energies)),
    }


def measure_density(patch: Patch) -> float:
    """Photo pixels of a patch's long side by FRAME."""
    return float(max(patch.pixels.shape[:2]) / patch.scale / FRAME)


def fit_whole(patches: Sequence[Patch], groups: Sequence[str]) -> WholeModel:
    """Fits patches of genuine photos; near-duplicates share the name of a group, and whatever has seen a
    photo is left out for its whole group."""
    traits = [describe_whole(patch) for patch in patches]
    scores = np.zeros((len(patches), len(TRAITS)))
    for group in dict.fromkeys(groups):
        own = [place for place, name in enumerate(groups) if name == group]
        others = _fit_usual([one for one, name in zip(traits, groups, strict=True) if name != group])
        scores[own] = _score(others, [traits[place] for place in own])
    return WholeModel(
        usual=_fit_usual(traits),
        significance=fit_significance(
            scores, np.zeros((len(patches), 1)), dict.fromkeys(TRAITS, 0.0), groups
        ),
        density=LEAST_DENSITY_SHARE * min(measure_density(patch) for patch in patches),
    )


def _fit_usual(traits: Sequence[Mapping[str, Doubles]]) -> dict[str, Gaussian]:
    return {trait: fit_gaussian(np.stack([one[trait] for one in traits]), FLOOR) for trait in TRAITS}


def _score(usual: Mapping[str, Gaussian], traits: Sequence[Mapping[str, Doubles]]) -> Doubles:
    """Mahalanobis distances (n, traits)."""
    return np.stack([usual[trait].distance(np.stack([one[trait] for one in traits])) for trait in TRAITS], -1)


def _find_middle(width: int, height: int) -> Flags:
    """The ellipse in the middle (height, width)."""
    y, x = np.mgrid[:height, :width]
    across, down = (x + 0.5 - width / 2) / (MIDDLE * width), (y + 0.5 - height / 2) / (MIDDLE * height)
    return np.asarray(across**2 + down**2 < 1)
