"""What is printed behind everything: stripes, dots, waves, checks, fans, as HxWx3 in two or three colours."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.local.photos.ink import Bytes, Colour, gradient

PATTERNS = 8

Field = NDArray[np.floating[Any]]


def paint_pattern(
    width: int, height: int, pattern: int, base: tuple[Colour, Colour], mark: Colour, cells: float
) -> Bytes:
    """Paint pattern number `pattern` in `mark` over a gradient of `base`, `cells` of it over the height."""
    ground = gradient(width, height, *base, 1.3)
    y, x = np.meshgrid(
        np.arange(height, dtype=np.float32) / height * np.float32(cells),
        np.arange(width, dtype=np.float32) / height * np.float32(cells),
        indexing="ij",
    )
    field = np.asarray(_field(pattern, x, y), np.float32)
    share = np.clip(field * np.float32(height / cells) + 0.5, 0, 1)
    return np.asarray(ground + share[..., None] * (np.asarray(mark, np.float32) - ground), np.uint8)


def _field(pattern: int, x: Field, y: Field) -> Field:
    """Return a field that is positive where the pattern is inked, its slope about 1 a cell."""
    match pattern % PATTERNS:
        case 0:
            return np.asarray(0.25 - np.abs((x + y) % 1 - 0.5))
        case 1:
            row = np.floor(y)
            return np.asarray(0.28 - np.hypot((x + 0.5 * (row % 2)) % 1 - 0.5, y % 1 - 0.5))
        case 2:
            return np.asarray(0.2 - np.abs((y + 0.22 * np.sin(x * 2.2)) % 1 - 0.5))
        case 3:
            within = np.minimum(0.46 - np.abs(x % 1 - 0.5), 0.46 - np.abs(y % 1 - 0.5))
            return np.asarray(within * (1 - 2 * ((np.floor(x) + np.floor(y)) % 2)))
        case 4:
            return np.asarray(0.22 - np.abs((y + np.abs(x % 2 - 1)) % 1 - 0.5))
        case 5:
            row = np.floor(y * 2)
            apart = np.hypot((x + 0.5 * (row % 2)) % 1 - 0.5, y - (row + 1) / 2)
            return np.asarray(0.06 - np.abs(apart % 0.2 - 0.1))
        case 6:
            return np.asarray(0.3 - np.abs(x % 1 - 0.5))
        case _:
            return np.asarray(np.maximum(0.05 - np.abs((x + y) % 1 - 0.5), 0.05 - np.abs((x - y) % 1 - 0.5)))
