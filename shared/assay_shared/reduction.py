"""How far a picture is reduced before its pixels are compared: serving and fitting must see alike."""

from __future__ import annotations

SHORT_SIDE = 1200
"""Pixels to which the short side may shrink: half of 12 megapixels is 1512, and barcodes still read."""


def find_reduction(width: int, height: int) -> int:
    """By what whole number a picture of that size is reduced each way; 1 for not at all."""
    return max(1, min(width, height) // SHORT_SIDE)
