"""Whether photos of a product differ as phone pictures do. Needs no NumPy, for the registry has none.

What a detector has only seen from one distance, at one angle, in one light, it knows there and nowhere else,
and pictures held out of the same session do not tell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Literal

from assay_shared.wire import Shortage

APART = 0.25
"""Share of a product's photos that should differ from its usual one. In photos of three generated brands,
taken from anywhere within reach, 46 to 71 % differ in distance, 62 to 79 % in angle, 67 to 91 % in light, by
the reaches below; in a series shot from a tripod hardly any does."""
FEWEST = 8
"""Photos from which on their variety is looked at; fewer are too few anyway, and are told so."""
REACHES = {"distance": 0.1, "angle": 0.03, "light": 0.05}
"""From what factor on (its logarithm) a photo differs: of the product's size in the picture; of its box's
width to its height, which tilting and turning change; of its brightness or its red to its blue."""
ADVICE = {
    "distance": ("were taken from another distance than the rest", "nearer and farther away"),
    "angle": (
        "show it tilted or turned otherwise than the rest",
        "tilted and turned, from the side and above",
    ),
    "light": ("were taken in other light than the rest", "by daylight, by lamplight, in shade, elsewhere"),
}

Kind = Literal["distance", "angle", "light"]


def find_uniform(label: str, kind: Kind, *measures: Sequence[float]) -> Shortage | None:
    """What a product's photos lack when too few differ in one way, or None.

    `measures` are positive numbers, one of each different photo; a photo differs when any of its measures is
    farther from the median of its kind than REACHES says.
    """
    total = len(measures[0])
    if total < FEWEST:
        return None
    usual = [median(values) for values in measures]
    differing = sum(
        any(abs(math.log(value / middle)) > REACHES[kind] for value, middle in zip(photo, usual, strict=True))
        for photo in zip(*measures, strict=True)
    )
    # So many more that they make up their share of what there is then.
    more = math.ceil((APART * total - differing) / (1 - APART))
    if more <= 0:
        return None
    state, wanted = ADVICE[kind]
    return Shortage(
        label=label,
        kind=kind,
        images=differing,
        needed=differing + more,
        advice=f"{label!r}: only {differing} of {total} different photos {state}: add {more} or more, "
        f"{wanted}",
    )
