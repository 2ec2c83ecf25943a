"""What a phone adds on the way from light to file: colour, exposure, blur, noise, sharpening, JPEG."""

from dataclasses import dataclass
from math import cos, sin, tau

import cv2
import numpy as np

from deploy.local.photos.ink import Bytes, Floats
from deploy.local.photos.surfaces import soft_field

_STEPS = 4095


@dataclass(frozen=True)
class Handling:
    """How a picture was taken; blurs in pixels of a picture 1280 wide."""

    exposure: float
    gains: tuple[float, float, float]
    defocus: float
    shake: float
    shake_turn: float
    noise: float
    contrast: float
    sharpening: float
    quality: int


def choose_handling(rng: np.random.Generator, careful: bool) -> Handling:
    """Choose how the picture is taken; `careful` keeps blur small enough to read a barcode."""
    warmth, tint = float(rng.normal(0, 0.09)), float(rng.normal(0, 0.03))
    defocus = float(rng.uniform(0.25, 0.6 if careful else 1.1))
    shaken = rng.random() < 0.3
    shake = float(rng.uniform(1.0, 1.9 if careful else 4.0)) if shaken else 0.0
    return Handling(
        exposure=float(np.exp(rng.normal(0, 0.2))),
        gains=(1 + warmth, 1 + tint, 1 - warmth),
        defocus=defocus,
        shake=shake,
        shake_turn=float(rng.uniform(0, tau)),
        noise=float(rng.choice([0.5, 1.0, 2.0], p=[0.45, 0.4, 0.15])),
        contrast=float(rng.uniform(0.1, 0.5)),
        sharpening=float(rng.uniform(0.15, 0.8)),
        quality=int(rng.integers(78, 96)),
    )


def uneven_light(rng: np.random.Generator, height: int, width: int) -> Floats:
    """Return the light's unevenness over the frame, HxW around 1: fall-off, soft shadows, vignetting."""
    field = soft_field(rng, height, width, float(rng.uniform(2, 3.4)), float(rng.uniform(0.6, 0.9)), 1.12)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    field *= 1 - np.float32(rng.uniform(0.05, 0.22)) * (x * x + y * y)
    if rng.random() < 0.22:
        turn = float(rng.uniform(0, tau))
        ramp = (x * np.float32(cos(turn)) + y * np.float32(sin(turn)) - np.float32(rng.uniform(0.1, 0.7))) * 9
        field *= 1 - np.float32(rng.uniform(0.2, 0.45)) / (1 + np.exp(-ramp))
    return field


def develop(rng: np.random.Generator, light: Floats, handling: Handling) -> Bytes:
    """Turn linear light (HxWx3) into the bytes that a phone would keep."""
    scale = max(light.shape[:2]) / 1280
    level = float(np.clip(0.23 / max(float(light.mean()), 1e-3), 0.65, 1.9))
    picture: Floats = light * (np.asarray(handling.gains, np.float32) * np.float32(level * handling.exposure))
    picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), handling.defocus * scale), np.float32)
    if handling.shake * scale > 1:
        kernel = shake_kernel(handling.shake * scale, handling.shake_turn)
        picture = np.asarray(cv2.filter2D(picture, -1, kernel), np.float32)
    np.clip(picture, 0, 1, out=picture)
    grain = rng.standard_normal(picture.shape, np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), 0.55) * 1.5
    picture += grain * np.sqrt(picture * np.float32(1.3e-4) + np.float32(6e-6)) * np.float32(handling.noise)
    np.clip(picture, 0, 1, out=picture)
    curved = tone_curve(handling.contrast)[(picture * _STEPS).astype(np.uint16)]
    if handling.sharpening:
        soft = cv2.GaussianBlur(curved, (0, 0), 1.2 * scale)
        sharp = cv2.addWeighted(curved, 1 + handling.sharpening, soft, -handling.sharpening, 0)
        curved = np.asarray(sharp, np.uint8)
    _, jpeg = cv2.imencode(".jpg", curved, [cv2.IMWRITE_JPEG_QUALITY, handling.quality])
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


def tone_curve(contrast: float) -> Bytes:
    """Return the display byte of each of 4096 steps of linear light: gamma, then a soft S."""
    shown = (np.arange(_STEPS + 1, dtype=np.float32) / _STEPS) ** (1 / 2.2)
    bent = shown * shown * (3 - 2 * shown)
    return np.asarray(((1 - contrast) * shown + contrast * bent) * 255 + 0.5, np.uint8)


def shake_kernel(length: float, turn: float) -> Floats:
    """Return the kernel of a shake along a line of `length` pixels in the direction `turn` (radians)."""
    size = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((size, size), np.float32)
    for along in np.linspace(-length / 2, length / 2, 33):
        x, y = size // 2 + along * cos(turn), size // 2 + along * sin(turn)
        kernel[round(y), round(x)] += 1
    return np.asarray(kernel / kernel.sum(), np.float32)
