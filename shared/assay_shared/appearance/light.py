"""Light taken away: exposure, white balance, contrast, uneven light, glare. What is left of colour is ink."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from assay_shared.appearance.frames import HALF
from assay_shared.appearance.patches import Doubles, Flags, Floats, Pixels

DARK, BRIGHT = 5, 250
"""Grey values outside of which a pixel says nothing of its colour."""
NEAR_BURNT = 235
"""Grey values from which on a camera presses contrasts together."""
LIFT = 4.0
"""Grey values by which the brightest print around a place is lifted where something veils it."""
PLAY = 0.1
"""By how much the contrast may differ around a place without veil."""
PALEST = 0.7
"""Least contrast under a veil that burns nothing out: light adds, it does not take away."""
_LEAST = 6.0
_STEP = 5
_SMALL = 8
_REACH = 13


@dataclass(frozen=True)
class Lit:
    """A photo in the reference's light.

    `half` float32 (h, w, 3), at half size; `judged` (h, w) where it can be compared, glare and shadow left
    out; `inks` (2, 2), what maps its opponent colours to the reference's once white balance is explained (the
    identity for the same inks); `glare` the share of the print that is burnt out or veiled; `contrast` the
    exponent that the light needed, `gain` (h, w) and `veil` (h, w) of its glare, `curve` (256, 3) and
    `shade` (h, w) of its light.
    """

    half: Floats
    judged: Flags
    inks: Doubles
    glare: float
    contrast: float
    gain: Floats
    veil: Floats
    curve: Floats
    shade: Floats

    def relight(self, pixels: Pixels) -> Floats:
        """The full-size photo (H, W, 3) in the reference's light: float32."""
        bright = _by_channel(pixels, self.curve)
        size = (pixels.shape[1], pixels.shape[0])
        scale = cv2.resize(np.exp(self.shade) / self.gain, size, interpolation=cv2.INTER_LINEAR)
        veil = cv2.resize(self.veil / self.gain, size, interpolation=cv2.INTER_LINEAR)
        bright *= scale[..., None]
        bright -= veil[..., None]
        return np.asarray(np.clip(bright, 0, 255, out=bright), np.float32)


def explain_light(pixels: Pixels, reference: Pixels, mask: Flags) -> Lit:
    """What light has to do with the difference of an aligned photo (H, W, 3) from its reference (H, W, 3)
    where the mask (H, W) says: a gain for each channel, one exponent, a smooth shade, and glare that lays
    white over the print."""
    size = (pixels.shape[1] // HALF, pixels.shape[0] // HALF)
    one = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    other = np.asarray(cv2.resize(reference, size, interpolation=cv2.INTER_AREA), np.uint8)
    inside = np.asarray(cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0)
    darkest, brightest = _extremes(one)
    pale, _ = _extremes(other)
    white = float(np.percentile(pale[inside], 99)) if inside.any() else 255.0
    burnt = (darkest > BRIGHT - 3) & (pale < 0.75 * white)
    burnt = np.asarray(cv2.dilate(burnt.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0)
    usable = inside & ~burnt & (brightest < BRIGHT) & (brightest > DARK)
    if int(usable.sum()) < 400:
        usable = inside
    tones = np.log(np.maximum(np.arange(256, dtype=np.float32), _LEAST))
    x = np.asarray(cv2.LUT(cv2.blur(one, (3, 3)), tones), np.float32)
    y = np.asarray(cv2.LUT(cv2.blur(other, (3, 3)), tones), np.float32)
    some = np.flatnonzero(usable)[::_STEP]
    # One channel after the other: sums over the last axis of three are slow.
    xs, ys = (np.ascontiguousarray(one.reshape(-1, 3)[some].T, np.float64) for one in (x, y))
    weights = np.ones(len(some))
    for _ in range(6):
        mx, my = xs @ weights / weights.sum(), ys @ weights / weights.sum()
        dx, dy = xs - mx[:, None], ys - my[:, None]
        contrast = float((dx * dy @ weights).sum() / max(1e-6, (dx * dx @ weights).sum()))
        contrast = min(1.7, max(0.6, contrast))
        rest = np.abs(dy - contrast * dx).sum(0) / 3
        scale = max(2e-3, 1.5 * float(np.median(rest)))
        weights = 1 / (1 + (rest / scale) ** 2) ** 2
    z = contrast * (x - mx.astype(np.float32)) + my.astype(np.float32)
    shade = _smooth_shade(_mean(y - z), usable)
    curve = np.exp(np.clip(contrast * (tones[:, None] - mx) + my, 0, 6)).astype(np.float32)
    level = _by_channel(one, curve) * np.exp(shade)[..., None]
    relit = np.exp(z.reshape(-1, 3)[some] + shade.reshape(-1)[some, None])
    inks = _fit_inks(relit, np.exp(y.reshape(-1, 3)[some]), weights)
    near_burnt = cv2.dilate(cv2.blur(brightest, (3, 3)), np.ones((_REACH, _REACH), np.uint8)) > NEAR_BURNT
    gain, veil, shown = _find_glare(level, other.astype(np.float32), inside & ~burnt, np.asarray(near_burnt))
    half = np.clip((level - veil[..., None]) / gain[..., None], 0, 255)
    hidden = burnt | (((veil > 120) | (gain < 0.5)) & (shown | near_burnt))
    judged = inside & ~hidden
    glare = float(hidden[inside].mean()) if inside.any() else 1.0
    return Lit(
        np.asarray(half, np.float32), np.asarray(judged), inks, glare, contrast,
        gain, veil, curve, shade,
    )  # fmt: skip


def to_opponent(rgb: Floats | Doubles) -> Floats:
    """Red minus green and yellow minus blue (…, 2)."""
    return np.asarray(
        np.stack([rgb[..., 0] - rgb[..., 1], (rgb[..., 0] + rgb[..., 1]) / 2 - rgb[..., 2]], -1), np.float32
    )


def measure_change(veil: Floats, size: tuple[int, int], beside: int) -> Floats:
    """By how much a veil (h, w) changes around each of so many cells (columns, rows), `beside` cells each
    way: grey values (rows, columns)."""
    cells = cv2.resize(veil, size, interpolation=cv2.INTER_AREA)
    around = np.ones((2 * beside + 1, 2 * beside + 1), np.uint8)
    return np.asarray(cv2.dilate(cells, around) - cv2.erode(cells, around), np.float32)


def _by_channel(pixels: Pixels, curve: Floats) -> Floats:
    """Each channel through its column of a curve (256, 3)."""
    return np.asarray(cv2.LUT(pixels, np.ascontiguousarray(curve[:, None, :].reshape(1, 256, 3))), np.float32)


def _extremes(pixels: Pixels) -> tuple[Pixels, Pixels]:
    """The least and the greatest channel of every pixel."""
    red, green, blue = cv2.split(pixels)
    return (
        np.asarray(cv2.min(cv2.min(red, green), blue), np.uint8),
        np.asarray(cv2.max(cv2.max(red, green), blue), np.uint8),
    )


def _mean(values: Floats) -> Floats:
    """The mean of the channels: numpy's is ten times slower over so short an axis."""
    return np.asarray(cv2.transform(values, np.full((1, 3), 1 / 3, np.float32)), np.float32)


def _smooth_shade(difference: Floats, usable: Flags) -> Floats:
    """The smooth part of a log difference (h, w), over a seventh of the frame (normalised convolution)."""
    height, width = difference.shape
    small = (max(1, width // _SMALL), max(1, height // _SMALL))
    weight = cv2.resize(usable.astype(np.float32), small, interpolation=cv2.INTER_AREA)
    value = cv2.resize(
        np.where(usable, np.clip(difference, -0.5, 0.5), 0).astype(np.float32),
        small,
        interpolation=cv2.INTER_AREA,
    )
    sigma = max(height, width) / 7 / _SMALL
    smooth = cv2.GaussianBlur(value, (0, 0), sigma) / np.maximum(
        cv2.GaussianBlur(weight, (0, 0), sigma), 0.05
    )
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _fit_inks(one: Floats, other: Floats, weights: Doubles) -> Doubles:
    a, b = to_opponent(one).astype(np.float64), to_opponent(other).astype(np.float64)
    rows = np.c_[a, np.ones(len(a))] * weights[:, None]
    # A ridge towards the identity: a print without colour says nothing of its inks.
    prior = np.diag([1.0, 1.0, 1e-6]) * 4.0 * float(weights.sum())
    wanted = rows.T @ b + prior @ np.array([[1, 0], [0, 1], [0, 0.0]])
    return np.asarray(np.linalg.solve(rows.T @ np.c_[a, np.ones(len(a))] + prior, wanted)[:2])


def _find_glare(
    level: Floats, reference: Floats, inside: Flags, near_burnt: Flags
) -> tuple[Floats, Floats, Flags]:
    """Fits photo = gain x reference + white around every place, over the three channels, as far as light can
    have done it: where the brightest print nearby is no brighter than it should be, nothing was laid over
    the print, and what is paler than the reference lacks ink. Also whether the print shows through half as
    well as the gain says: else it is not light that hides it."""
    sigma = 10.0
    size = (level.shape[1], level.shape[0])
    small = (size[0] // 4, size[1] // 4)
    mask = inside.astype(np.float32)

    def around(values: Floats) -> Floats:
        reduced = cv2.resize(np.asarray(values * mask, np.float32), small, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(reduced, (0, 0), sigma / 4), np.float32)

    def brightest(grey: Floats) -> Floats:
        top = cv2.dilate(cv2.blur(grey, (3, 3)) * mask, np.ones((25, 25), np.uint8))
        top = cv2.resize(top, small, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(top, (0, 0), sigma / 4), np.float32)

    ours, theirs = _mean(level), _mean(reference)
    count = np.maximum(around(np.ones_like(mask)), 0.02)
    mx, mt = around(ours) / count, around(theirs) / count
    spread = around(_mean(reference * reference)) / count - mt * mt
    shared = around(_mean(level * reference)) / count - mx * mt
    gain = (shared + 60) / (spread + 60)
    top, usual = brightest(ours), brightest(theirs)
    lifted = np.clip((top - usual - LIFT) / LIFT, 0, 1)
    saturated = cv2.resize(near_burnt.astype(np.float32), small, interpolation=cv2.INTER_AREA)
    shadow = np.clip((top + 8) / (usual + 8), 0.45, 1.0)
    lowest = (1 - lifted) * (shadow - PLAY) + lifted * (PALEST + saturated * (0.45 - PALEST))
    highest = (1 - lifted) * (shadow + PLAY) + lifted * 1.5
    through = gain
    gain = np.clip(gain, lowest, highest)
    shown = cv2.resize(np.float32(through) - gain / 2, size, interpolation=cv2.INTER_LINEAR) > 0
    most = LIFT + 255 * lifted
    veil = np.clip(mx - gain * mt, -LIFT, most)
    whole = [cv2.resize(one, size, interpolation=cv2.INTER_LINEAR) for one in (gain, veil)]
    return np.asarray(whole[0], np.float32), np.asarray(whole[1], np.float32), np.asarray(shown)
