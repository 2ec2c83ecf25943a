"""Check `image_quality`: does the picture allow a judgement? It never fails a product, for a bad picture
proves nothing; at worst it is unclear, and says how to take a better one.

Limits are where a detector finds 2 in 100 fewer products and marks (`python -m bench.quality`), unless good
pictures lie there too (`python -m bench.adequate`); docs/accuracy.md has both tables.
"""

from __future__ import annotations

from dataclasses import asdict

from assay_inference.checks.evidence import Evidence, Judged, answer
from assay_inference.quality import Quality
from assay_shared.wire import Outcome

NAME = "image_quality"
LEAST_DETECTOR_PIXELS = 185.0
"""Pixels of the detector's frame along the product's long side: how little of it the detector may get."""
ENOUGH_FILL = 0.5
"""Share of the picture's length that is always enough, however coarse the detector: it is what we advise."""
LEAST_SHORT_SIDE = 120.0
"""Pixels of the picture: what was never photographed cannot be enlarged."""
LEAST_SHARPNESS = 0.0065
LEAST_BRIGHTNESS = 39.0
"""There is no most: a white label in good light is brighter than a burnt-out carton, and glare tells them
apart."""
LEAST_CONTRAST = 18.0
MOST_GLARE = 0.1
"""Share of burnt-out spots at which the product itself is lost."""
GLARE_HIDES = 0.02
"""Share from which on a missing mark may simply be hidden."""
MOST_GRID = 4.5
"""`python -m bench.recapture` says what it notices, and which photos it takes for a screen wrongly."""

Problem = tuple[str, str]
"""What is wrong with the picture, and what helps."""


def judge(evidence: Evidence) -> Judged:
    """Passes when size, sharpness, light and glare all allow a judgement; else unclear with guidance.

    The score is that of the worst: 0.5 at its limit, 1 at twice as good.
    """
    quality = evidence.quality
    size = evidence.image_size if evidence.product else None
    problems = find_problems(quality, size)
    score = min(1.0, *(0.5 * value for value in _margins(quality, size)))
    values = asdict(quality) | ({} if size is None else {"detector_pixels": quality.fill * size})
    if not problems:
        return answer(NAME, Outcome.PASS, "The picture is good enough to judge", score=score, values=values)
    reason = "; ".join(problem for problem, _ in problems)
    return answer(NAME, Outcome.UNCLEAR, reason, *(hint for _, hint in problems), score=score, values=values)


def find_problems(quality: Quality, image_size: int | None) -> list[Problem]:
    """What keeps a picture from being judged; `image_size`: side of the detector's frame in pixels, None
    where no product was found."""
    return [*_size_problems(quality, image_size), *_light_problems(quality)]


def _size_problems(quality: Quality, image_size: int | None) -> list[Problem]:
    hint = "Move closer: the product should fill at least half of the picture"
    if quality.short_side < LEAST_SHORT_SIDE:
        return [(f"The product is {quality.short_side:.0f} pixels across", hint)]
    if image_size is not None and quality.fill < _least_fill(image_size):
        return [(f"The product takes {quality.fill:.0%} of the picture's length", hint)]
    return []


def _least_fill(image_size: int) -> float:
    """The share of the picture's length that gives the detector enough of the product."""
    return min(ENOUGH_FILL, LEAST_DETECTOR_PIXELS / image_size)


def _light_problems(quality: Quality) -> list[Problem]:
    problems = []
    if quality.brightness < LEAST_BRIGHTNESS:
        problems.append(("The picture is too dark", "Take the picture in brighter light"))
    elif quality.contrast < LEAST_CONTRAST:
        problems.append(("The picture has hardly any contrast", "Clean the lens and use even light"))
    if quality.sharpness < LEAST_SHARPNESS:
        problems.append(("The picture is blurred", "Hold the camera still and tap the product to focus"))
    if quality.grid > MOST_GRID:
        problems.append(
            (
                "This looks like a picture of a screen or of a printout",
                "Photograph the product itself, not a screen or a print of it",
            )
        )
    if quality.glare > MOST_GLARE:
        problems.append(
            (
                "Glare or too much light hides parts of the product",
                "Avoid glare and direct light: tilt the product or the light",
            )
        )
    return problems


def _margins(quality: Quality, image_size: int | None) -> list[float]:
    """How many times better than its limit each measure is."""
    return [
        quality.short_side / LEAST_SHORT_SIDE,
        2.0 if image_size is None else quality.fill / _least_fill(image_size),
        quality.sharpness / LEAST_SHARPNESS,
        quality.brightness / LEAST_BRIGHTNESS,
        quality.contrast / LEAST_CONTRAST,
        MOST_GLARE / max(quality.glare, 1e-3),
        MOST_GRID / max(quality.grid, 1e-3),
    ]
