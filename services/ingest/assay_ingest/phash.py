"""What a picture looks like, in 64 bits; and, on the way, the proof that it decodes to its end.

The hash is the well-known DCT hash (Zauner, "Implementation and benchmarking of perceptual image hash
functions", 2010): 32 x 32 grey values, their 8 x 8 lowest frequencies, one bit each for above or below
the median. Two pictures of one scene differ in few bits; unrelated ones in about 32.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from assay_ingest.errors import ImageRefused
from assay_ingest.pillow_guard import decoding, open_image
from assay_ingest.sniff import sniff_format

_SIDE = 32
_KEPT = 8
_PILLOW_FORMAT = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}

# Sanitised images passed the pixel limit already; this one only stops what never went through it.
_MAX_PIXELS = 1 << 30


def _dct_matrix() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    frequency, place = np.mgrid[:_KEPT, :_SIDE]
    matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]] = np.cos(
        np.pi * frequency * (2 * place + 1) / (2 * _SIDE)
    )
    return matrix


_DCT = _dct_matrix()


def _decode_small(data: bytes) -> Image.Image:
    """The whole picture decoded, JPEG at up to an eighth of its size: all of its data is read either way."""
    kind = _PILLOW_FORMAT.get(sniff_format(data) or "")
    if kind is None:
        raise ImageRefused("unsupported-format", "Only sanitised images (JPEG, PNG, WebP) are hashed.")
    with decoding():
        image = open_image(data, kind, _MAX_PIXELS)
        if kind == "JPEG":
            image.draft("L", (_SIDE, _SIDE))
        image.load()
        return image.convert("L")


def verify_pixels(data: bytes) -> None:
    """Prove that a JPEG, PNG or WebP decodes to its end.

    Reads all of the coded data, a JPEG at an eighth of its size, in a third of a full decode's time. Damage
    that the decoder conceals (a JPEG with flipped bits) is not found. Raises ImageRefused `truncated` or
    `corrupt`.
    """
    _decode_small(data)


def perceptual_hash(data: bytes) -> str:
    """The 64-bit hash of an upright JPEG, PNG or WebP as 16 hex digits.

    Includes the proof of `verify_pixels` and raises the same.
    """
    small = _decode_small(data).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    lowest = _DCT @ np.asarray(small, dtype=np.float64) @ _DCT.T
    # The mean (frequency 0, 0) says nothing about shapes and would shift the median.
    bits = (lowest > np.median(lowest.ravel()[1:])).ravel()
    return np.packbits(bits).tobytes().hex()


def hamming(a: str, b: str) -> int:
    """How many of 64 bits two hashes differ in; 0 for the same look, about 32 for unrelated pictures."""
    return (int(a, 16) ^ int(b, 16)).bit_count()
