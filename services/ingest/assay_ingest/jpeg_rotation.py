"""JPEG turned upright without loss: its coefficients are moved, mirrored and written again.

Mirroring a block negates its odd frequencies along that axis; transposing it transposes its 8 x 8
frequencies (T.81 annex A.3.3: the transform is separable and its basis functions are even or odd).
"""

from __future__ import annotations

import numpy as np

from assay_ingest.jpeg_segments import JpegParts, parse_jpeg
from assay_ingest.libjpeg import Blocks, LibjpegFailed, Rearrange, available, rewrite_coefficients
from assay_ingest.phash import verify_pixels

# Orientation -> (transpose first, then mirror left-right, then mirror top-bottom).
_STEPS: dict[int, tuple[bool, bool, bool]] = {
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}


def _rearranger(transpose: bool, left_right: bool, top_bottom: bool) -> Rearrange:
    signs = np.ones((8, 8), dtype=np.int16)
    if left_right:
        signs[:, 1::2] *= -1
    if top_bottom:
        signs[1::2, :] *= -1

    places = np.arange(64).reshape(8, 8)
    order = (places.T if transpose else places).ravel()
    factors = signs.ravel()

    def rearrange(old: Blocks, new: Blocks) -> None:
        moved = old.transpose(1, 0, 2) if transpose else old
        moved = moved[:: -1 if top_bottom else 1, :: -1 if left_right else 1]
        # Row by row, because a row of blocks fits into the cache and a picture does not.
        for row in range(len(new)):
            blocks = moved[row][:, order] if transpose else moved[row]
            np.multiply(blocks, factors, out=new[row])

    return rearrange


def can_rotate_losslessly(parts: JpegParts) -> bool:
    """Whether the picture is made of whole MCUs, so that nothing is left over at an edge after the turn."""
    width, height = parts.mcu_size
    whole = parts.width % width == 0 and parts.height % height == 0
    if len(parts.components) == 1:
        return whole and (parts.components[0].horizontal, parts.components[0].vertical) == (1, 1)
    even = all(width // 8 % c.horizontal == 0 and height // 8 % c.vertical == 0 for c in parts.components)
    return whole and even


def rotate_losslessly(parts: JpegParts) -> bytes | None:
    """The clean JPEG of `parts` turned upright, or None when only decoding and encoding can turn it.

    The file's headers are first shown to Pillow's decoder, which survives what it rejects. Raises
    ImageRefused for headers that no decoder takes.
    """
    if not available() or not can_rotate_losslessly(parts):
        return None
    verify_pixels(parts.skeleton)
    try:
        turned = rewrite_coefficients(
            parts.clean,
            transpose=_STEPS[parts.orientation][0],
            rearrange=_rearranger(*_STEPS[parts.orientation]),
        )
    except LibjpegFailed:
        return None
    return parse_jpeg(turned).clean
