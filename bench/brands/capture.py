"""What a phone adds on the way from light to a JPEG file, within what a careful person's photo has."""

from dataclasses import dataclass
from functools import lru_cache
from math import hypot, tau

import cv2
import numpy as np

from deploy.local.photos.ink import Bytes, Floats
from deploy.local.photos.optics import shake_kernel, tone_curve, uneven_light

_TILE = 1021
_LIGHT_SHRINK = 8


@dataclass(frozen=True)
class Capture:
    """How a picture was taken; blurs in pixels of the picture (`shake` the length of the path)."""

    exposure: float
    gains: tuple[float, float, float]
    defocus: float
    shake: float
    shake_turn: float
    noise: float
    gamma: float
    contrast: float
    sharpening: float
    quality: int

    @property
    def blur(self) -> float:
        """The blur's sigma in pixels: defocus and shake together (a line of length L has L / sqrt(12))."""
        return hypot(self.defocus, self.shake / 12**0.5)


def choose_capture(rng: np.random.Generator, long_side: int) -> Capture:
    """Choose how a picture is taken; its blur keeps to what a picture of adequate quality has."""
    scale = long_side / 2400
    warmth, tint = float(rng.normal(0, 0.08)), float(rng.normal(0, 0.03))
    shaken = rng.random() < 0.3
    return Capture(
        exposure=float(np.exp(np.clip(rng.normal(0, 0.16), -0.35, 0.35))),
        gains=(1 + warmth, 1 + tint, 1 - warmth),
        defocus=float(rng.uniform(0.45, 1.25)) * scale,
        shake=float(rng.uniform(1.5, 3.6)) * scale if shaken else 0.0,
        shake_turn=float(rng.uniform(0, tau)),
        noise=float(rng.choice([0.5, 1.0, 1.8], p=[0.45, 0.4, 0.15])),
        gamma=float(rng.uniform(0.92, 1.08)),
        contrast=float(rng.uniform(0.1, 0.45)),
        sharpening=float(rng.uniform(0.1, 0.7)),
        quality=int(rng.integers(80, 96)),
    )


def take(rng: np.random.Generator, light: Floats, capture: Capture) -> bytes:
    """Turn linear light (HxWx3, RGB) into a JPEG file; `light` is used up."""
    height, width = light.shape[:2]
    fall = uneven_light(rng, height // _LIGHT_SHRINK, width // _LIGHT_SHRINK)
    level = float(np.clip(0.24 / max(float(light[::4, ::4].mean()), 1e-3), 0.65, 1.9)) * capture.exposure
    light *= cv2.resize(fall * np.float32(level), (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    light *= np.asarray(capture.gains, np.float32)
    blurred = cv2.GaussianBlur(light, (0, 0), capture.defocus)
    if capture.shake > 1:
        blurred = cv2.filter2D(blurred, -1, shake_kernel(capture.shake, capture.shake_turn))
    # In the square root of light, shot noise has one strength everywhere (Anscombe).
    root = np.asarray(cv2.sqrt(np.maximum(blurred, 0)), np.float32)
    root += _noise(rng, height, width, capture.noise)
    shown = cv2.convertScaleAbs(np.clip(root, 0, 1, out=root), alpha=255)
    shown = cv2.LUT(shown, _show(capture))
    if capture.sharpening:
        soft = cv2.GaussianBlur(shown, (0, 0), 1.3 * max(width, height) / 2400)
        shown = cv2.addWeighted(shown, 1 + capture.sharpening, soft, -capture.sharpening, 0)
    picture = cv2.cvtColor(shown, cv2.COLOR_RGB2BGR)
    _, file = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, capture.quality])
    return bytes(file.tobytes())


def _show(capture: Capture) -> Bytes:
    """Return the display byte of each byte of the square root of light."""
    light = (np.arange(256, dtype=np.float32) / 255) ** (2 * capture.gamma)
    curve = tone_curve(capture.contrast)
    return curve[(light * (len(curve) - 1)).astype(np.int64)]


def _noise(rng: np.random.Generator, height: int, width: int, strength: float) -> Floats:
    """Return noise in the square root of light: a tile of it, begun anywhere, turned any way."""
    tile = _noise_tile()
    if rng.random() < 0.5:
        tile = tile[::-1]
    if rng.random() < 0.5:
        tile = tile[:, ::-1]
    down, right = (int(start) for start in rng.integers(_TILE, size=2))
    tile = np.roll(tile, (down, right), axis=(0, 1)) * np.float32(strength)
    rows, columns = -(-height // _TILE), -(-width // _TILE)
    return np.asarray(np.tile(tile, (rows, columns, 1))[:height, :width], np.float32)


@lru_cache(maxsize=1)
def _noise_tile() -> Floats:
    rng = np.random.default_rng(0x9015E)
    grain = cv2.GaussianBlur(rng.standard_normal((_TILE, _TILE, 3), np.float32), (0, 0), 0.55) * 1.5
    return np.asarray(grain * np.float32(0.0057), np.float32)
