"""What a picture looks like, in 64 bits; and, on the way, the proof that it decodes to its end."""

from __future__ import annotations

import numpy as np
from PIL import Image

from assay_ingest.errors import ImageRefused
from assay_ingest.pillow_guard import decoding, open_image
from assay_ingest.sniff import sniff_format
from assay_shared.perceptual_hash import SIDE, hash_grey

_PILLOW_FORMAT = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}

# Sanitised images passed the pixel limit already; this one only stops what never went through it.
_MAX_PIXELS = 1 << 30


def _decode_small(data: bytes) -> Image.Image:
    """The whole picture decoded, JPEG at up to an eighth of its size: all of its data is read either way."""
    kind = _PILLOW_FORMAT.get(sniff_format(data) or "")
    if kind is None:
        raise ImageRefused("unsupported-format", "Only sanitised images (JPEG, PNG, WebP) are hashed.")
    with decoding():
        image = open_image(data, kind, _MAX_PIXELS)
        if kind == "JPEG":
            image.draft("L", (SIDE, SIDE))
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
    return hash_grey(np.asarray(_decode_small(data).resize((SIDE, SIDE), Image.Resampling.BOX)))


def hamming(a: str, b: str) -> int:
    """How many of 64 bits two hashes differ in; 0 for the same look, about 32 for unrelated pictures."""
    return (int(a, 16) ^ int(b, 16)).bit_count()
