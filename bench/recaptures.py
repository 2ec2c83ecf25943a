"""Photos of photos: a screen's stripes and a press's dots as a phone samples them; and genuine scenes with
fine regular patterns through the same camera, which must not be taken for either."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Scene = Callable[[Floats, Floats], Floats]
"""Linear light (h, w, 3) at places x, y (h, w), in camera pixels from the scene's middle."""

SAMPLES = 3
"""Samples of the scene per camera pixel and axis."""
STRIPES = ((0.04, 0.30), (0.37, 0.63), (0.70, 0.96))
"""Where a screen pixel's red, green and blue begin and end; the rest is black (RGB stripe LCD)."""
OPEN = (0.08, 0.92)
"""The lit part of a screen pixel's height."""
INK_ANGLES = (15.0, 75.0, 0.0, 45.0)
"""Degrees of the dots' rows of cyan, magenta, yellow and black (usual in offset print)."""
ENLARGED = 1.25
"""How much larger the photo is shown than it fills the frame, so that no edge shows."""


def show_on_screen(shown: Pixels, pitch: float) -> Scene:
    """A screen that shows a photo; `pitch`: camera pixels for each pixel of the screen."""
    height, width = shown.shape[:2]
    size = (round(width * ENLARGED / pitch), round(height * ENLARGED / pitch))
    way = cv2.INTER_AREA if pitch > 1 else cv2.INTER_LINEAR
    emitted = _to_light(np.asarray(cv2.resize(shown, size, interpolation=way), np.uint8))

    def look(x: Floats, y: Floats) -> Floats:
        u, v = x / np.float32(pitch) + size[0] / 2, y / np.float32(pitch) + size[1] / 2
        light = emitted[np.clip(v.astype(int), 0, size[1] - 1), np.clip(u.astype(int), 0, size[0] - 1)]
        across, down = u % 1, v % 1
        lit = (down > OPEN[0]) & (down < OPEN[1])
        for channel, (begin, end) in enumerate(STRIPES):
            light[..., channel] *= lit & (across > begin) & (across < end)
        return np.asarray(light / ((STRIPES[0][1] - STRIPES[0][0]) * (OPEN[1] - OPEN[0])), np.float32)

    return look


def print_in_dots(
    shown: Pixels, pitch: float, *, within: tuple[float, float, float, float] | None = None
) -> Scene:
    """A photo printed in dots of four inks, `pitch` camera pixels apart; with `within` (left, top, right,
    bottom in `shown`) only that part is print, the rest is real."""
    plain = lay_scene(shown)
    height, width = shown.shape[:2]

    def look(x: Floats, y: Floats) -> Floats:
        light = plain(x, y)
        black = 1 - light.max(axis=2)
        amounts = [1 - (light[..., channel] + black) for channel in range(3)] + [black]
        inked = np.ones_like(light)
        for angle, amount, kept in zip(
            INK_ANGLES, amounts, ((0.1, 1, 1), (1, 0.1, 1), (1, 1, 0.1), (0.05,) * 3), strict=True
        ):
            turn = np.radians(angle)
            along = (np.cos(turn) * x + np.sin(turn) * y) * np.float32(2 * np.pi / pitch)
            beside = (np.cos(turn) * y - np.sin(turn) * x) * np.float32(2 * np.pi / pitch)
            # A sum of two cosines is above a level on a share of the plane that rises evenly enough with it.
            dots = np.cos(along) + np.cos(beside) > 2 - 4 * np.clip(amount, 0, 1)
            inked *= np.where(dots[..., None], np.array(kept, np.float32), np.float32(1))
        if within is None:
            return np.asarray(inked, np.float32)
        u, v = x / ENLARGED + width / 2, y / ENLARGED + height / 2
        there = (u > within[0]) & (u < within[2]) & (v > within[1]) & (v < within[3])
        return np.asarray(np.where(there[..., None], inked, light), np.float32)

    return look


def lay_scene(shown: Pixels) -> Scene:
    """The scene itself, as if `shown` were no photo."""
    height, width = shown.shape[:2]
    light = _to_light(shown)

    def look(x: Floats, y: Floats) -> Floats:
        u, v = x / ENLARGED + width / 2, y / ENLARGED + height / 2
        return np.asarray(
            cv2.remap(light, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR, borderMode=1),
            np.float32,
        )

    return look


def lay_on_cloth(shown: Pixels, box: tuple[float, float, float, float], thread: float) -> Scene:
    """A product (its `box` in `shown`) on a woven cloth; `thread`: camera pixels from thread to thread."""
    plain = lay_scene(shown)
    height, width = shown.shape[:2]
    colour = np.array([0.35, 0.3, 0.22], np.float32)

    def look(x: Floats, y: Floats) -> Floats:
        u, v = x / ENLARGED + width / 2, y / ENLARGED + height / 2
        over = np.sin(x * np.float32(np.pi / thread)) * np.sin(y * np.float32(np.pi / thread)) > 0
        depth = np.where(
            over,
            np.abs(np.sin(x * np.float32(np.pi / thread))),
            np.abs(np.sin(y * np.float32(np.pi / thread))),
        )
        cloth = colour * (0.35 + 0.65 * depth[..., None])
        there = (u > box[0]) & (u < box[2]) & (v > box[1]) & (v < box[3])
        return np.asarray(np.where(there[..., None], plain(x, y), cloth), np.float32)

    return look


def photograph(scene: Scene, rng: np.random.Generator, size: tuple[int, int]) -> Pixels:
    """A phone's picture (width, height `size`) of a scene, held about straight: lens, Bayer sensor without a
    filter before it, demosaicing, noise, tone, sharpening, JPEG."""
    width, height = size
    light = np.empty((height, width, 3), np.float32)
    turn, lean, lens = np.radians(rng.normal(0, 4)), rng.normal(0, 0.04, 2), float(rng.uniform(0.35, 0.6))
    strip, spare = 96, 4
    for top in range(0, height, strip):  # the samples are nine times the pixels
        high = min(strip, height - top)
        y, x = np.mgrid[
            -spare * SAMPLES : (high + spare) * SAMPLES, -spare * SAMPLES : (width + spare) * SAMPLES
        ]
        across = ((x + 0.5) / SAMPLES - width / 2).astype(np.float32)
        down = ((y + 0.5) / SAMPLES + top - height / 2).astype(np.float32)
        depth = (1 + lean[0] * across / width + lean[1] * down / height).astype(np.float32)
        seen = scene(
            ((np.cos(turn) * across - np.sin(turn) * down) / depth).astype(np.float32),
            ((np.sin(turn) * across + np.cos(turn) * down) / depth).astype(np.float32),
        )
        soft = cv2.GaussianBlur(seen, (0, 0), lens * SAMPLES)
        sensed = cv2.resize(soft, None, fx=1 / SAMPLES, fy=1 / SAMPLES, interpolation=cv2.INTER_AREA)
        light[top : top + high] = sensed[spare : spare + high, spare : spare + width]
    return _expose(light * np.float32(rng.uniform(0.7, 1.0)), rng)


def _to_light(shown: Pixels) -> Floats:
    return np.asarray((shown.astype(np.float32) / 255) ** 2.2, np.float32)


def _expose(light: Floats, rng: np.random.Generator) -> Pixels:
    mosaic = light[..., 1].copy()
    mosaic[0::2, 0::2] = light[0::2, 0::2, 0]
    mosaic[1::2, 1::2] = light[1::2, 1::2, 2]
    mosaic += rng.standard_normal(mosaic.shape, np.float32) * np.sqrt(np.clip(mosaic, 0, 1) * 2e-4 + 1e-5)
    raw = (np.clip(mosaic, 0, 1) * 65535).astype(np.uint16)
    # OpenCV names the pattern by its second row: red stands first here.
    colour = cv2.cvtColor(raw, cv2.COLOR_BayerBG2RGB).astype(np.float32) / 65535
    toned = np.clip(colour, 0, 1) ** (1 / 2.2) * 255
    soft = cv2.GaussianBlur(toned, (0, 0), 1.2)
    sharp = np.clip(toned + float(rng.uniform(0.1, 0.5)) * (toned - soft), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(sharp).save(file, "JPEG", quality=int(rng.integers(82, 95)))
    return np.asarray(Image.open(file).convert("RGB"))
