"""Which brands there are, and which of them a method may be tuned on."""

from collections.abc import Callable

from bench.brands import bottle, can, cosmetics, jar, leaflet, medicine, plain, toy
from bench.brands.product import Product

FAMILIES: dict[str, Callable[[int], Product]] = {
    "medicine": medicine.design,
    "can": can.design,
    "cosmetics": cosmetics.design,
    "toy": toy.design,
    "leaflet-label": leaflet.design,
    "bottle": bottle.design,
    "jar": jar.design,
    "plain": plain.design,
}
"""The families by name: each invents a product from a seed."""

TUNING = ("medicine-1", "medicine-2", "can-1", "can-2")
"""Brands to develop a method on; none of their families is reported."""

REPORTING = (
    *("toy-1", "toy-2", "toy-3", "leaflet-label-1", "leaflet-label-2", "cosmetics-1", "cosmetics-2"),
    *("bottle-1", "bottle-2", "jar-1", "jar-2", "plain-1", "plain-2"),
)
"""Brands whose figures are reported."""


def invent(slug: str) -> Product:
    """Invent the product of a brand, `family-seed`.

    Raises ValueError when there is no such family or no number behind it.
    """
    family, _, seed = slug.rpartition("-")
    if family not in FAMILIES or not seed.isdigit():
        raise ValueError(f"no brand {slug!r}: name it family-number, the family one of {', '.join(FAMILIES)}")
    return FAMILIES[family](int(seed))
