"""Things with hardly any print, for which a photo cannot be aligned: watches and shoes."""

from bench.brands.product import LOGO, Product, identify
from bench.brands.shoe import design_shoe
from bench.brands.watch import design_watch


def design(seed: int) -> Product:
    """Invent brand number `seed` of plain things: odd ones are watches, even ones shoes."""
    who = identify("plain", seed)
    sheet, body = design_watch(who) if seed % 2 else design_shoe(who)
    return Product(who.slug, who.name, who.gtin, sheet, body, (LOGO,))
