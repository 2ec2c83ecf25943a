"""Whether a picture was taken of a screen or of a printout: a grid of colour that runs through everything.

Screens make every colour of red, green and blue stripes, presses of dots of four inks. A camera that resolves
them, or beats against them (moire), records a regular pattern of colour with one direction and pitch all over
the picture. Cloth and packages have such patterns too, but not on the product and on what is around it alike;
that, and that it is colour which repeats, sets screens apart.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from assay_inference.geometry import Rectangle
from assay_inference.pictures import Picture, Pixels

TILE = 128
"""Pixels of a tile's side: 4 periods of the coarsest grid that counts."""
TILES = 6
"""Tiles that are looked at on the product, and as many around it."""
FEWEST = 4
"""Fewer tiles say nothing."""
MOST_OF_THEM = 0.7
"""Share of the tiles that must show the grid; others may be burnt out or black."""
LEAST_FREQUENCY, MOST_FREQUENCY = 0.05, 0.46
"""Cycles a pixel: below is what pictures are of, above what demosaicing leaves."""
BLOCK = 8
"""JPEG's blocks repeat every so many pixels, and so does what is lost in them."""
SMOOTH = 25
"""Pixels over which colour is averaged and taken away: the picture itself."""
AROUND = 15
"""Places of the spectrum, each way, from which a peak must stand out."""
_STEPS = 6.0
"""Steps to a unit of log power: OpenCV's median takes bytes."""
_FLOOR = -10.0

Floats = npt.NDArray[np.float32]


def measure_grid(picture: Picture, region: Rectangle | None) -> float:
    """How far the strongest colour grid that is both in a region and around it (pixels of the whole picture;
    None: anywhere) stands out of its surroundings in the spectrum, in natural logarithms of power; 0 where
    there are too few tiles to tell. Looks at the reduced pixels."""
    inside, around = _choose_tiles(picture, region)
    groups = [inside, around] if region is not None else [around]
    if any(len(group) < FEWEST for group in groups):
        return 0.0
    common = np.minimum.reduce([_agree([_stand_out(tile)[_BAND] for tile in group]) for group in groups])
    return max(0.0, float(common.max()))


def _choose_tiles(picture: Picture, region: Rectangle | None) -> tuple[list[Pixels], list[Pixels]]:
    """Tiles wholly in the region and wholly out of it, spread evenly."""
    height, width = picture.pixels.shape[:2]
    left, top, right, bottom = (value / picture.scale for value in region or (0, 0, 0, 0))
    inside, around = [], []
    step = TILE // 2
    for y in range(0, height - TILE + 1, step):
        for x in range(0, width - TILE + 1, step):
            tile = picture.pixels[y : y + TILE, x : x + TILE]
            if left <= x and top <= y and x + TILE <= right and y + TILE <= bottom:
                inside.append(tile)
            elif x + TILE <= left or x >= right or y + TILE <= top or y >= bottom:
                around.append(tile)
    return _spread(inside), _spread(around)


def _spread(tiles: list[Pixels]) -> list[Pixels]:
    if len(tiles) <= TILES:
        return tiles
    places = np.linspace(0, len(tiles) - 1, TILES).round().astype(int)
    return [tiles[place] for place in places]


def _agree(spectra: list[Floats]) -> Floats:
    """What MOST_OF_THEM reach, frequency by frequency."""
    place = int((1 - MOST_OF_THEM) * (len(spectra) - 1))
    return np.asarray(np.partition(np.stack(spectra), place, axis=0)[place], np.float32)


def _stand_out(tile: Pixels) -> Floats:
    """Log power of a tile's colour above the median around it: TILE x TILE, frequency 0 in the middle."""
    colour = cv2.cvtColor(np.ascontiguousarray(tile), cv2.COLOR_RGB2YCrCb)[..., 1:].astype(np.float32)
    colour -= cv2.blur(colour, (SMOOTH, SMOOTH))
    # Both colour differences in one transform: as real and imaginary part.
    spectrum = np.fft.fftshift(np.fft.fft2((colour[..., 0] + 1j * colour[..., 1]) * _WINDOW))
    power = np.log(np.abs(spectrum).astype(np.float32) ** 2 + 1e-3)
    coarse = np.clip((power - _FLOOR) * _STEPS, 0, 255).astype(np.uint8)
    usual = cv2.medianBlur(coarse, AROUND).astype(np.float32) / np.float32(_STEPS) + np.float32(_FLOOR)
    # Perspective moves a grid's frequency a little from tile to tile.
    return np.asarray(cv2.dilate(power - usual, np.ones((3, 3), np.uint8)), np.float32)


def _draw_band() -> npt.NDArray[np.bool_]:
    """Where in the spectrum a grid may be: not on what JPEG's blocks make."""
    x, y = np.meshgrid(*[np.fft.fftshift(np.fft.fftfreq(TILE))] * 2)
    far = np.hypot(x, y)
    near = 1.5 * BLOCK / TILE
    blocks = [np.abs(axis * BLOCK - np.round(axis * BLOCK)) < near for axis in (x, y)]
    return np.asarray((far > LEAST_FREQUENCY) & (far < MOST_FREQUENCY) & ~(blocks[0] & blocks[1]))


_WINDOW = np.outer(np.hanning(TILE), np.hanning(TILE)).astype(np.float32)
_BAND = _draw_band()
