"""The orientation that Exif asks for, and how to obey it."""

from __future__ import annotations

import struct

from PIL import Image

_ORIENTATION_TAG = 0x0112
_SHORT = 3

# What to do with the stored pixels so that they stand upright (Exif 3.0, section 4.6.5.1.6).
UPRIGHTING: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_orientation(exif: bytes) -> int:
    """The orientation, 1 to 8, in an Exif block that starts with the TIFF header; 1 when it says none.

    Never raises: a broken Exif block is dropped anyway, and a picture without an orientation is upright.
    """
    exif = exif.removeprefix(b"Exif\x00\x00")
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (ifd,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, ifd)
        for entry in range(ifd + 2, ifd + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", exif, entry)
            if tag == _ORIENTATION_TAG and kind == _SHORT:
                (value,) = struct.unpack_from(order + "H", exif, entry + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


def make_upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image with its pixels moved as `orientation` (1 to 8) asks."""
    return image.transpose(UPRIGHTING[orientation]) if orientation in UPRIGHTING else image
