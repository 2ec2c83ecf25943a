"""Small drawing tools that all printed matter shares: fonts, colours, smooth shapes, noise."""

import colorsys
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Bytes: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]
Colour: TypeAlias = tuple[int, int, int]


@lru_cache(maxsize=256)
def font(name: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return a font of matplotlib's wheel (DejaVu, STIX), or Pillow's own where that is not installed."""
    spec = find_spec("matplotlib")
    if spec is not None and spec.origin is not None:
        path = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / f"{name}.ttf"
        if path.exists():
            return ImageFont.truetype(path, size)
    return ImageFont.load_default(size)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Turn hue, saturation and value (0 to 1, the hue wraps) into sRGB bytes."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_layer(
    width: int, height: int, draw: Callable[[ImageDraw.ImageDraw, float], None], oversample: int = 2
) -> Image.Image:
    """Draw on a transparent RGBA layer at `oversample` times its size, then shrink it: smooth edges.

    `draw` gets the pen and the factor by which it has to multiply its coordinates.
    """
    layer = Image.new("RGBA", (width * oversample, height * oversample))
    draw(ImageDraw.Draw(layer, "RGBA"), float(oversample))
    return layer.resize((width, height), Image.Resampling.BOX)


def fit_text(text: str, name: str, width: int, tallest: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the largest font up to `tallest` pixels in which `text` is at most `width` pixels wide."""
    length = font(name, tallest).getlength(text)
    return font(name, max(8, int(tallest * min(1.0, width / max(length, 1.0)))))


def smooth_noise(rng: np.random.Generator, height: int, width: int, cells: tuple[float, float]) -> Floats:
    """Return smooth noise of HxW, about zero mean and unit spread, with `cells` (rows, columns) bumps."""
    rows, columns = max(2, round(cells[0])), max(2, round(cells[1]))
    coarse = rng.standard_normal((rows, columns), np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def fractal_noise(rng: np.random.Generator, size: int, first: float, octaves: int, fade: float) -> Floats:
    """Sum `octaves` of smooth noise on a square, each twice as fine as and `fade` times as strong."""
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        cells = first * 2**octave
        total += fade**octave * smooth_noise(rng, size, size, (cells, cells))
    return total


def gradient(width: int, height: int, start: Colour, end: Colour, angle: float) -> Bytes:
    """Return an HxWx3 linear gradient from `start` to `end` along `angle` (radians, 0 = to the right)."""
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :] * np.float32(np.cos(angle))
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    share = across + down
    share = (share - share.min()) / max(float(np.ptp(share)), 1e-6)
    mixed = share[..., None] * np.subtract(end, start, dtype=np.float32) + np.asarray(start, np.float32)
    return np.asarray(mixed.round(), np.uint8)
