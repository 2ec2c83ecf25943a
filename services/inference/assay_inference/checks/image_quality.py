"""Check `image_quality`: does the picture allow a judgement? It never fails a product, for a bad picture
proves nothing; at worst it is unclear, and says how to take a better one."""

from __future__ import annotations

from dataclasses import asdict

from assay_inference.checks.evidence import Evidence, Judged, answer
from assay_inference.quality import Quality
from assay_shared.wire import Outcome

NAME = "image_quality"

# Chosen on synthetic phone photos (tests/unit/inference/test_quality.py keeps their order): a product this
# small, or a picture this soft, loses its marks in the detector's frame.
LEAST_FILL = 0.2
LEAST_SHORT_SIDE = 120.0
LEAST_SHARPNESS = 0.012
LEAST_BRIGHTNESS, MOST_BRIGHTNESS = 45.0, 235.0
LEAST_CONTRAST = 12.0
MOST_GLARE = 0.12
MOST_GRID = 4.5
GLARE_HIDES = 0.03
"""Share of glare from which on a missing mark may simply be hidden."""


def judge(evidence: Evidence) -> Judged:
    """Passes when size, sharpness, light and glare all allow a judgement; else unclear with guidance.

    The score is that of the worst: 0.5 at its limit, 1 at twice as good.
    """
    quality = evidence.quality
    problems = [*_size_problems(evidence), *_light_problems(quality)]
    score = min(1.0, *(0.5 * value for value in _margins(quality, evidence.product is not None)))
    values = asdict(quality)
    if not problems:
        return answer(NAME, Outcome.PASS, "The picture is good enough to judge", score=score, values=values)
    reason = "; ".join(problem for problem, _ in problems)
    return answer(NAME, Outcome.UNCLEAR, reason, *(hint for _, hint in problems), score=score, values=values)


def _size_problems(evidence: Evidence) -> list[tuple[str, str]]:
    quality = evidence.quality
    if quality.short_side < LEAST_SHORT_SIDE or (evidence.product and quality.fill < LEAST_FILL):
        return [
            (
                f"The product is {quality.short_side:.0f} pixels across",
                "Move closer: the product should fill at least half of the picture",
            )
        ]
    return []


def _light_problems(quality: Quality) -> list[tuple[str, str]]:
    problems = []
    if quality.brightness < LEAST_BRIGHTNESS:
        problems.append(("The picture is too dark", "Take the picture in brighter light"))
    elif quality.brightness > MOST_BRIGHTNESS:
        problems.append(("The picture is overexposed", "Take the picture out of direct light"))
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
        problems.append(("Glare hides parts of the product", "Avoid glare: tilt the product or the light"))
    return problems


def _margins(quality: Quality, product: bool) -> list[float]:
    """How many times better than its limit each measure is."""
    return [
        quality.short_side / LEAST_SHORT_SIDE,
        quality.fill / LEAST_FILL if product else 2.0,
        quality.sharpness / LEAST_SHARPNESS,
        quality.brightness / LEAST_BRIGHTNESS,
        (255 - quality.brightness) / (255 - MOST_BRIGHTNESS),
        quality.contrast / LEAST_CONTRAST,
        MOST_GLARE / max(quality.glare, 1e-3),
        MOST_GRID / max(quality.grid, 1e-3),
    ]
