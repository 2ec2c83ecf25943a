"""The size of an upright picture, read from its header."""

from __future__ import annotations

import io

import pi_heif
from PIL import Image

from assay_ingest.pillow_guard import decoding
from assay_ingest.sniff import identify

_ORIENTATION = 0x0112
_FORMATS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "tiff": "TIFF", "avif": "AVIF"}


def read_size(data: bytes, name: str) -> tuple[int, int]:
    """Width and height in pixels as a person sees the picture. Raises ImageRefused."""
    kind = identify(data, name)
    with decoding():
        if kind == "heif":
            # libheif has turned it already.
            opened = pi_heif.open_heif(io.BytesIO(data))
            width, height = opened[opened.primary_index].size
            return int(width), int(height)
        with Image.open(io.BytesIO(data), formats=[_FORMATS[kind]]) as image:
            width, height = image.size
            # Pillow 13 gives the upright size of a TIFF, and of no other format.
            turned = kind != "tiff" and image.getexif().get(_ORIENTATION, 1) in {5, 6, 7, 8}
            return (height, width) if turned else (width, height)
