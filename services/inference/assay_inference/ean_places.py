"""Where the digits of an EAN-13 stand in a line of grey values, however blurred.

Every digit's pattern, blurred as a lens blurs it, is compared with every place and width that it could have;
a path through the best places gives all positions at once. Widths may vary slowly along the path, as they do
under perspective and round a can.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

# fmt: off
SET_A = ("0001101", "0011001", "0010011", "0111101", "0100011",
         "0110001", "0101111", "0111011", "0110111", "0001011")
# fmt: on
"""Modules of the digits 0 to 9, 1 for a bar; sets C and B follow (GS1 General Specifications, 5.2.1.2)."""
SET_C = tuple(code.translate(str.maketrans("01", "10")) for code in SET_A)
SET_B = tuple(code[::-1] for code in SET_C)
START, MIDDLE, END = "0000101", "1010101", "1010000"
"""The guards as 7 modules, with what is always beside them: quiet zone, last bar of A and B, first of C."""
LEFT, RIGHT, GUARDS = slice(0, 20), slice(20, 30), {"start": 30, "middle": 31, "end": 32}
"""Places of the patterns in `draw_bank`."""
WINDOWS = ("start", *["left"] * 6, "middle", *["right"] * 6, "end")
FIRST_MODULES = np.array([0, *range(7, 49, 7), 48, *range(54, 96, 7), 96], np.float64)
"""First module of each window, counted from that of START; MIDDLE overlaps its neighbours by one."""

STEP = 4
"""Samples of a line to a module, at the width that is looked for."""
WIDTHS = np.arange(6 * STEP, 8 * STEP + 1)
"""Samples that a digit may take: 7 modules, a seventh more or less."""
SAMPLES = 21
"""Samples of a window that are compared: three a module."""
OVERSAMPLED = 12
UNSTEADY = 0.02
"""Added to the cost for a digit that is a sample wider or narrower than the one before: breaks ties."""
GUARD_WEIGHT = 0.8
"""Weight of a guard's cost, whose surroundings are less certain than a digit's."""
_SPAN = int(WIDTHS[-1]) + 2
_PART = 200
_FAR = np.float32(1e9)


@dataclass(frozen=True)
class Path:
    """The best places: `starts` and `widths` of the 15 windows in samples, their mean cost (0 to 1: 1 - r^2,
    r the correlation of pattern and line), and the blur in modules at which they were found."""

    starts: Floats
    widths: Floats
    cost: float
    blur: float


@lru_cache(maxsize=4096)
def draw_pattern(pattern: str, before: str, after: str, blur: float) -> Floats:
    """SAMPLES darknesses of 7 modules between their neighbours ("?" for an unknown module), blurred by a
    standard deviation of `blur` modules; mean 0, norm 1."""
    modules = [0.5 if module == "?" else float(module) for module in before + pattern + after]
    reach = int(np.ceil(4 * blur * OVERSAMPLED))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (blur * OVERSAMPLED)) ** 2)
    fine = np.pad(np.repeat(modules, OVERSAMPLED), reach, mode="edge")
    soft = np.convolve(fine, kernel / kernel.sum(), "valid")
    places = (len(before) + 7 * (np.arange(SAMPLES) + 0.5) / SAMPLES) * OVERSAMPLED - 0.5
    drawn = np.interp(places, np.arange(len(soft)), soft)
    drawn -= drawn.mean()
    return np.asarray(drawn / np.linalg.norm(drawn), np.float32)


def find_path(line: Floats, blur: float) -> Path | None:
    """The best places of all windows in a line (darkness, STEP samples to a module); None if it is too short
    for any code."""
    if len(line) < _SPAN + 12 * int(WIDTHS[0]):
        return None
    costs = _compare(line, blur)
    by_kind = {"left": costs[:, LEFT].min(axis=1), "right": costs[:, RIGHT].min(axis=1)}
    by_kind |= {name: GUARD_WEIGHT * costs[:, place] for name, place in GUARDS.items()}
    total = np.zeros((len(WIDTHS), costs.shape[2]), np.float32)
    turns = []
    for place, kind in enumerate(WINDOWS):
        total = _advance(total + by_kind[kind], place)
        narrower, wider = total.copy(), total.copy()
        narrower[1:], wider[:-1] = total[:-1] + UNSTEADY, total[1:] + UNSTEADY
        turn = np.zeros(total.shape, np.int8)
        turn[narrower < total] = -1
        total = np.minimum(total, narrower)
        turn[wider < total] = 1
        total = np.minimum(total, wider)
        turns.append(turn)
    end = int(total.argmin())
    cost = float(total.flat[end])
    if cost >= _FAR:
        return None
    column, start = divmod(end, total.shape[1])
    starts, widths = _walk_back(start, column, turns)
    return Path(starts, widths, cost / len(WINDOWS), blur)


def _compare(line: Floats, blur: float) -> Floats:
    """Cost of every pattern at every width and start: WIDTHS x patterns x starts."""
    windows = np.lib.stride_tricks.sliding_window_view(line - line.mean(), _SPAN)
    starts = len(windows)
    # In parts that BLAS does on one thread: several would wait for each other on a busy machine.
    parts = np.zeros((-(-starts // _PART), _SPAN, _PART), np.float32)
    for place, part in enumerate(parts):
        few = windows[place * _PART : (place + 1) * _PART]
        part[:, : len(few)] = few.T
    # Patterns have mean 0 and norm 1, so the window's own mean and spread come in by its variance alone.
    alike = _patterns(blur)[:, None] @ parts[None]
    alike = alike.transpose(0, 2, 1, 3).reshape(len(WIDTHS), -1, parts.shape[0] * _PART)[..., :starts]
    spreads = _spreads(line, starts)
    # Flat paper has a shape too, that of its noise; it must not count like print.
    spreads = np.maximum(spreads, 0.05 * np.median(spreads) + 1e-3)
    return np.asarray(1 - np.clip(alike / spreads[:, None], 0, 1) ** 2, np.float32)


def _spreads(line: Floats, starts: int) -> Floats:
    """The norm of SAMPLES samples about their mean, of every window: WIDTHS x starts."""
    values = line.astype(np.float64) - line.mean()
    sums, squares = (np.concatenate([[0.0], np.cumsum(part)]) for part in (values, values**2))
    rows = []
    for width in WIDTHS:
        begin, end = slice(0, starts), slice(int(width), starts + int(width))
        mean = (sums[end] - sums[begin]) / width
        variance = (squares[end] - squares[begin]) / width - mean**2
        rows.append(np.sqrt(SAMPLES * np.maximum(variance, 0)))
    return np.asarray(rows, np.float32)


@lru_cache(maxsize=8)
def _patterns(blur: float) -> Floats:
    """All patterns as wide as each of WIDTHS, for _SPAN samples: WIDTHS x patterns x _SPAN."""
    bank = draw_bank(blur)
    wide = np.zeros((len(WIDTHS), bank.shape[1], _SPAN), np.float32)
    for row, width in enumerate(WIDTHS):
        places = np.clip(width * (np.arange(SAMPLES) + 0.5) / SAMPLES - 0.5, 0, _SPAN - 1.001)
        for sample, place in enumerate(places):
            wide[row, :, int(place)] += (1 - place % 1) * bank[sample]
            wide[row, :, int(place) + 1] += place % 1 * bank[sample]
    return wide


@lru_cache(maxsize=8)
def draw_bank(blur: float) -> Floats:
    """All patterns, SAMPLES x 33. A and B follow a bar and precede a space, C the other way round."""
    patterns = [draw_pattern(code, "??1", "0??", blur) for code in (*SET_A, *SET_B)]
    patterns += [draw_pattern(code, "??0", "1??", blur) for code in SET_C]
    patterns.append(draw_pattern(START, "000", "0??", blur))
    patterns.append(draw_pattern(MIDDLE, "??0", "0??", blur))
    patterns.append(draw_pattern(END, "??0", "000", blur))
    return np.stack(patterns, axis=1)


def _stride(place: int, width: int) -> int:
    """Samples from the start of a window to that of the next."""
    beside_middle = "middle" in WINDOWS[place : place + 2]
    return round(6 * width / 7) if beside_middle else width


def _advance(total: Floats, place: int) -> Floats:
    """Moves what was paid for a window at each start to where the next window starts."""
    moved = np.full_like(total, _FAR)
    for row, width in enumerate(WIDTHS):
        stride = _stride(place, int(width))
        moved[row, stride:] = total[row, :-stride]
    return moved


def _walk_back(start: int, row: int, turns: list[npt.NDArray[np.int8]]) -> tuple[Floats, Floats]:
    starts, widths = [], []
    for place in range(len(WINDOWS) - 1, -1, -1):
        row += int(turns[place][row, start])
        start -= _stride(place, int(WIDTHS[row]))
        starts.append(start)
        widths.append(WIDTHS[row])
    return np.array(starts[::-1], np.float32), np.array(widths[::-1], np.float32)
