"""An invented product: its print, the body that carries it, its number; and how its brand is invented."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from bench.brands.bodies import Body
from bench.brands.sheet import Sheet
from deploy.local.photos.catalog import make_brand
from deploy.local.photos.emblem import MOTIFS, OUTLINES

PRODUCT, LOGO, SEAL = "product", "logo", "seal"
"""Labels of all generated brands: the thing, and the marks that a genuine one shows."""


@dataclass(frozen=True, eq=False)
class Product:
    """One brand's one product; `gtin` is an EAN-13, printed on it where it has a barcode."""

    slug: str
    name: str
    gtin: str
    sheet: Sheet
    body: Body
    marks: tuple[str, ...]


@dataclass(frozen=True)
class Identity:
    """What a brand is before anything is drawn: `hue` 0 to 1, `emblem` its outline's and motif's number.

    Neighbouring seeds are far apart in hue and never share an emblem.
    """

    slug: str
    seed: int
    name: str
    gtin: str
    hue: float
    emblem: tuple[int, int]

    def rng(self, *of: int) -> np.random.Generator:
        """Return a generator that is the brand's own for the purpose `of`."""
        return np.random.default_rng([crc32(self.slug.encode()), *of])


def identify(family: str, seed: int) -> Identity:
    """Invent brand number `seed` of a family; the same numbers, the same brand."""
    own = crc32(family.encode()) % 9973
    brand = make_brand(own * 1000 + seed, 1)
    hue = (own * 0.137 + seed * 0.618034) % 1.0
    emblem = ((own + seed * 5) % OUTLINES, (own // 7 + seed * 3) % MOTIFS)
    return Identity(f"{family}-{seed}", seed, brand.name, brand.products[0].gtin, hue, emblem)
