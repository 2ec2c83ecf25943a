"""EAN-13 (and UPC-A) from one line of grey values, however blurred: the number that explains the line best.

Ordinary readers first decide where bars begin and end, which fails once the blur is as wide as a bar. Here
the whole line is explained: the digits' places (`ean_places`), then the number whose patterns fit best there.
It must have a right check digit, and what fits hardly better than another number is not read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay_inference.ean_places import (
    END,
    FIRST_MODULES,
    LEFT,
    MIDDLE,
    RIGHT,
    SAMPLES,
    SET_A,
    SET_B,
    SET_C,
    START,
    STEP,
    Path,
    draw_bank,
    draw_pattern,
    find_path,
)

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

# fmt: off
PARITIES = ("AAAAAA", "AABABB", "AABBAB", "AABBBA", "ABAABB",
            "ABBAAB", "ABBBAA", "ABABAB", "ABABBA", "ABBABA")
# fmt: on
"""Sets of the left digits by the first digit, which has no bars (GS1 General Specifications, 5.2.1.2)."""
SCALES = (0.94, 1.12, 0.79, 0.66)
"""Modules that are tried, in those of the guess; a path allows a seventh more or less."""
FIRST_BLUR, OTHER_BLURS = 0.55, (0.3, 0.8, 1.05)
"""Standard deviations in modules."""
FITS_WELL = 0.13
"""Mean cost of a path that needs no other scale."""
HOPELESS = 0.33
"""Mean cost from which on a path is that of something else than an EAN-13."""
MOST_MISFIT, LEAST_MARGIN, CLEAR = 0.1, 0.2, 5.0
"""Limits of what is read; CLEAR: least margin in units of the misfit. On 400 photos of bench/code_photos.py
(seeds 1,000 to 1,400) all nine wrong numbers had a misfit above 0.1 and a margin below 3 of it; the limits
kept 271 of 277 right ones."""
NUDGES = np.linspace(-2, 2, 9)
"""Samples by which the ends of a path are moved to fit better: half a module each way."""
KEPT_DIGITS = 5
"""Best digits of a place that are tried; the right one is never further back where a number is readable."""


@dataclass(frozen=True)
class Fit:
    """A number of 13 digits; how badly it fits: mean over its digits of 1 - r^2, r the correlation of line
    and pattern; by how much the next best number fits worse (sum over its digits); `start` and `end` of the
    code in values of the line that was given."""

    digits: str
    misfit: float
    margin: float
    start: float
    end: float

    @property
    def sure(self) -> bool:
        """Whether it may be called read."""
        return self.misfit <= MOST_MISFIT and self.margin >= max(LEAST_MARGIN, CLEAR * self.misfit)


def fit_ean13(line: Floats, module: float) -> Fit | None:
    """The EAN-13 that explains a line of darknesses best, either way round; None where none is there.

    `module` is a guess of the values to a module, right within 0.6 to 1.3 times.
    """
    best = min(_try_scales(line, module), key=lambda one: one[0].cost, default=None)
    if best is None or best[0].cost > HOPELESS:
        return None
    path, samples, step, reverse = best
    for blur in OTHER_BLURS:
        other = find_path(samples, blur)
        if other is not None and other.cost < path.cost:
            path = other
    fit = _read(samples, path)
    if fit is None:
        return None
    digits, misfit, margin, start, end = fit
    start, end = start * step, end * step
    if reverse:
        start, end = len(line) - end, len(line) - start
    return Fit(digits, misfit, margin, float(start), float(end))


def _try_scales(line: Floats, module: float) -> list[tuple[Path, Floats, float, bool]]:
    """Paths with their samples, values a sample, and whether the line was turned round."""
    found = []
    for scale in SCALES:
        step = module * scale / STEP
        places = (np.arange(int(len(line) / step)) + 0.5) * step - 0.5
        samples = np.interp(places, np.arange(len(line)), line).astype(np.float32)
        for reverse in (False, True):
            turned = np.ascontiguousarray(samples[::-1]) if reverse else samples
            path = find_path(turned, FIRST_BLUR)
            if path is not None:
                found.append((path, turned, step, reverse))
        # Both ways round first: sets B and C are each other turned round.
        if any(path.cost < FITS_WELL for path, *_ in found):
            return found
    return found


def _read(line: Floats, path: Path) -> tuple[str, float, float, float, float] | None:
    """The best number along a path: digits, misfit, margin, start and end in samples."""
    seen, start, end = _settle(line, path)
    around: list[tuple[str, str]] = [("??1", "0??")] * 6 + [("??0", "1??")] * 6
    best: list[tuple[float, str]] = []
    anything = ""
    for _ in range(2):  # once with unknown neighbours, once with those that were found
        best, anything = _choose(*_compare(seen, around, path.blur))
        if len(best) < 2:
            return None
        around = _neighbours(best[0][1])
    (cost, digits), (next_cost, _) = best
    if digits != anything:
        return None
    return digits, cost / 12, next_cost - cost, start, end


def _settle(line: Floats, path: Path) -> tuple[Doubles, float, float]:
    """The 12 digits as the line shows them (12 x SAMPLES, mean 0, norm 1), and the code's start and end.

    Widths of neighbouring digits change little, so a cubic through the path keeps what is real and drops
    rounding; then both ends are moved by parts of a sample to where the digits fit best."""
    digits_at = np.concatenate([FIRST_MODULES[1:7], FIRST_MODULES[8:14]])
    chosen = [*range(1, 7), *range(8, 14)]  # guards are placed less surely than digits
    modules = np.concatenate([digits_at, digits_at + 7])
    ends = np.concatenate([path.starts[chosen], path.starts[chosen] + path.widths[chosen]])
    curve = np.polynomial.Polynomial.fit(modules, ends, 3)
    inside = digits_at[:, None] + 7 * (np.arange(SAMPLES) + 0.5) / SAMPLES
    far = (inside - FIRST_MODULES[1]) / (FIRST_MODULES[-1] - FIRST_MODULES[1])
    moves = [(left, right) for left in NUDGES for right in NUDGES]
    places = np.stack([curve(inside) + left * (1 - far) + right * far for left, right in moves])
    seen = np.interp(places - 0.5, np.arange(len(line)), line)
    seen -= seen.mean(axis=2, keepdims=True)
    seen /= np.maximum(np.linalg.norm(seen, axis=2, keepdims=True), 1e-3)
    bank = draw_bank(path.blur)
    fits = [(seen[:, :6] @ bank[:, LEFT]).max(axis=2), (seen[:, 6:] @ bank[:, RIGHT]).max(axis=2)]
    best = int((np.concatenate(fits, axis=1).clip(0) ** 2).sum(axis=1).argmax())
    left, right = moves[best]
    # The code itself begins three modules before its first digit and ends three after its last.
    return seen[best], float(curve(4.0)) + left, float(curve(99.0)) + right


def _compare(seen: Doubles, around: list[tuple[str, str]], blur: float) -> tuple[Doubles, Doubles]:
    """Costs of the left digits (6 x sets A and B x 10) and of the right ones (6 x 10)."""
    costs = []
    for place, (before, after) in enumerate(around):
        sets = (SET_A, SET_B) if place < 6 else (SET_C,)
        patterns = np.stack([draw_pattern(code, before, after, blur) for codes in sets for code in codes])
        costs.append(1 - np.clip(patterns @ seen[place], 0, 1) ** 2)
    return np.stack(costs[:6]).reshape(6, 2, 10), np.stack(costs[6:])


def _choose(left: Doubles, right: Doubles) -> tuple[list[tuple[float, str]], str]:
    """The two best numbers with a right check digit, and their costs; the best number whatever its check
    digit, which must be the same one: a wrong number in print is not to be put right."""
    best: list[tuple[float, str]] = []
    anything: list[tuple[float, str]] = []
    for first, parity in enumerate(PARITIES):
        places = [left[place, "AB".index(kind)] for place, kind in enumerate(parity)] + list(right)
        # By the sum of weighted digits so far, modulo 10: the two best beginnings.
        begun: dict[int, list[tuple[float, str]]] = {first: [(0.0, str(first))]}
        for place, costs in enumerate(places):
            weight = 3 if place % 2 == 0 else 1
            likely = [int(digit) for digit in np.argsort(costs)[:KEPT_DIGITS]]
            longer: dict[int, list[tuple[float, str]]] = {}
            for total, beginnings in begun.items():
                for digit in likely:
                    more = longer.setdefault((total + weight * digit) % 10, [])
                    more += [(cost + float(costs[digit]), text + str(digit)) for cost, text in beginnings]
            begun = {total: sorted(more)[:2] for total, more in longer.items()}
        best = sorted(best + begun.get(0, []))[:2]
        anything = sorted(anything + [one for ends in begun.values() for one in ends])[:1]
    return best, anything[0][1]


def _neighbours(digits: str) -> list[tuple[str, str]]:
    """The modules before and after each of the 12 printed digits of a number."""
    parity = PARITIES[int(digits[0])] + "CCCCCC"
    sets = {"A": SET_A, "B": SET_B, "C": SET_C}
    codes = [sets[kind][int(digit)] for kind, digit in zip(parity, digits[1:], strict=True)]
    row = [START, *codes[:6], MIDDLE[1:-1], *codes[6:], END]
    around = [(row[place - 1][-4:], row[place + 1][:4]) for place in range(1, len(row) - 1)]
    return around[:6] + around[7:]
