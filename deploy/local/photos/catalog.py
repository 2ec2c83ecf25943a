"""Invented brands and products: names, labels and GTINs, all drawn from a seed."""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np

FAKE_LOGO = "fake-logo"
"""Label of the wrong emblem that known fakes carry; its role is `counterfeit`."""

GS1_DEMO_PREFIX = "952"
"""GS1 keeps prefix 952 for demonstrations and examples (GS1 General Specifications, section 1.4.2)."""

_FIRST = ("Nor", "Vel", "Quo", "Bri", "Zan", "Lum", "Kes", "Tov", "Hal", "Myr", "Dru", "Fen", "Ost", "Pel")
_MIDDLE = ("a", "e", "i", "o", "u", "an", "el", "or", "im", "ur")
_LAST = ("vana", "dex", "mora", "tique", "lund", "wick", "zora", "quin", "bay", "rell", "sten", "fara")
_WORD_FIRST = ("Sol", "Mint", "Aur", "Cal", "Ril", "Tan", "Vir", "Ech", "Bal", "Gra", "Jun", "Opal")
_WORD_LAST = ("vea", "ara", "ique", "eno", "ossa", "etta", "ium", "ella", "odo", "ante")
_KIND = (
    "Herbal Tea",
    "Hand Cream",
    "Coffee Beans",
    "Oat Biscuits",
    "Green Soap",
    "Face Serum",
    "Cocoa Powder",
    "Throat Drops",
    "Lens Cleaner",
    "Rice Crackers",
)


@dataclass(frozen=True)
class DemoProduct:
    """One invented product; `gtin` is a valid EAN-13 as 13 digits of text."""

    name: str
    label: str
    gtin: str


@dataclass(frozen=True)
class DemoBrand:
    """One invented brand; `marks` are the labels that every genuine package shows."""

    slug: str
    name: str
    products: tuple[DemoProduct, ...]
    marks: tuple[str, ...]


def make_brand(seed: int = 7, products: int = 2) -> DemoBrand:
    """Invent a brand with `products` products (1 to 10); the same seed gives the same brand.

    Raises ValueError when `products` is out of that range.
    """
    if not 1 <= products <= len(_KIND):
        raise ValueError(f"a demo brand has 1 to {len(_KIND)} products, not {products}")
    rng = np.random.default_rng([0xB4A2D, seed])
    name = _FIRST[rng.integers(len(_FIRST))] + _MIDDLE[rng.integers(len(_MIDDLE))]
    name += _LAST[rng.integers(len(_LAST))]
    company = f"{rng.integers(10**5):05d}"
    kinds = rng.permutation(len(_KIND))[:products]
    firsts = rng.permutation(len(_WORD_FIRST))[:products]
    items = []
    for position, (kind, first) in enumerate(zip(kinds, firsts, strict=True)):
        word = _WORD_FIRST[first] + _WORD_LAST[rng.integers(len(_WORD_LAST))]
        serial = (int(rng.integers(100)) * 10 + position) % 1000
        gtin = with_check_digit(f"{GS1_DEMO_PREFIX}{company}{serial:04d}")
        label = f"{word} {_KIND[kind].split()[-1]}".lower().replace(" ", "-")
        items.append(DemoProduct(f"{name} {word} {_KIND[kind]}", label, gtin))
    return DemoBrand(f"{name.lower()}-{seed}", name, tuple(items), ("logo", "seal"))


def brand_labels(brand: DemoBrand) -> dict[str, str]:
    """Every label that annotations of `brand` use, with its role: product, mark or counterfeit."""
    roles = {product.label: "product" for product in brand.products}
    roles |= dict.fromkeys(brand.marks, "mark")
    return roles | {FAKE_LOGO: "counterfeit"}


def foreign_gtin(brand: DemoBrand, product: DemoProduct) -> str:
    """Return a valid EAN-13 that `brand` never registered, the same for the same product."""
    serial = int(product.gtin[8:12])
    company = (int(product.gtin[3:8]) + 31_337) % 10**5
    gtin = with_check_digit(f"{GS1_DEMO_PREFIX}{company:05d}{(serial + 417) % 10_000:04d}")
    if any(own.gtin == gtin for own in brand.products):
        raise ValueError(f"brand {brand.slug} registered {gtin} itself: give its products other GTINs")
    return gtin


def with_check_digit(digits: str) -> str:
    """Append the GS1 check digit to 12 digits (weights 1 and 3 in turn, from the left)."""
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def art_seed(brand: DemoBrand) -> int:
    """Return the seed of everything that is drawn for `brand`."""
    text = "|".join((brand.slug, brand.name, *(product.gtin for product in brand.products)))
    return int.from_bytes(sha256(text.encode()).digest()[:6], "big")
