"""What a picture looks like, in 64 bits.

The well-known DCT hash (Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010):
32 x 32 grey values, their 8 x 8 lowest frequencies, one bit each for above or below the median. Two pictures
of one scene differ in few bits; unrelated ones in about 32.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SIDE = 32
"""Width and height to which a picture is shrunk, in pixels."""
_KEPT = 8


def _dct_matrix() -> npt.NDArray[np.float64]:
    frequency, place = np.mgrid[:_KEPT, :SIDE]
    matrix: npt.NDArray[np.float64] = np.cos(np.pi * frequency * (2 * place + 1) / (2 * SIDE))
    return matrix


_DCT = _dct_matrix()


def hash_grey(grey: npt.NDArray[np.uint8]) -> str:
    """The hash of a picture's grey values (SIDE, SIDE), as 16 hex digits."""
    lowest = _DCT @ np.asarray(grey, dtype=np.float64) @ _DCT.T
    # The mean (frequency 0, 0) says nothing about shapes and would shift the median.
    bits = (lowest > np.median(lowest.ravel()[1:])).ravel()
    return np.packbits(bits).tobytes().hex()
