"""Where codes are looked for, and for how long: on a product, or everywhere to find out the brand."""

from __future__ import annotations

from assay_inference import barcodes
from assay_inference.barcodes import Barcode, Reading
from assay_inference.geometry import Rectangle
from assay_inference.pictures import Picture

PATIENCE = 4.0
"""How much longer a code is looked for where it is all that can name the brand."""


def read_everywhere(picture: Picture, retry_ms: float) -> Reading:
    """Codes by every means, PATIENCE times as long: without one that carries a GTIN there is no brand."""
    found = barcodes.find_quickly(picture)
    if barcodes.carries_gtin(found):
        return Reading(found)
    return _read_on(found, picture, None, PATIENCE * retry_ms)


def read_on_product(picture: Picture, place: Rectangle | None, retry_ms: float) -> Reading:
    """Codes on the product, the only ones that count, by every means; without one, at a glance anywhere."""
    found = barcodes.find_quickly(picture, place)
    if place is None or barcodes.carries_gtin(found):
        return Reading(found)
    return _read_on(found, picture, place, retry_ms)


def _read_on(found: list[Barcode], picture: Picture, place: Rectangle | None, retry_ms: float) -> Reading:
    """What was found at a glance, and what more time finds."""
    more = barcodes.find_thoroughly(picture, place, retry_ms)
    return Reading(found + more.codes, more.ran_out)
