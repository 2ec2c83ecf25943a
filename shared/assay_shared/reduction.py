"""How far a picture is reduced before its pixels are compared: serving and fitting must see alike. Pillow is
the caller's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

SHORT_SIDE = 1200
"""Pixels to which the short side may shrink: half of 12 megapixels is 1512, and barcodes still read."""


def find_reduction(width: int, height: int) -> int:
    """By what whole number a picture of that size is reduced each way; 1 for not at all."""
    return max(1, min(width, height) // SHORT_SIDE)


def read_reduced(
    image: Image.Image, reduction: int, to_rgb: Callable[[Image.Image], Image.Image]
) -> Image.Image:
    """An opened picture in RGB, reduced by a whole number, its orientation untouched: JPEG inside the DCT,
    the rest of the way by averaging. Raises what Pillow raises for damaged files."""
    if reduction > 1:
        image.draft("RGB", (image.width // reduction, image.height // reduction))
    image.load()
    rgb = to_rgb(image)
    left = find_reduction(*rgb.size) if reduction > 1 else 1
    return rgb.reduce(left) if left > 1 else rgb
