"""The products in a picture: which of them are judged, and what belongs to which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay_inference.barcodes import Barcode
from assay_inference.checks.evidence import Seen
from assay_inference.geometry import Rectangle, area, centre, grow, holds_centre, share_inside
from assay_shared.wire import LabelRole

MOST = 8
"""Products of one picture that are judged: each costs about as much as a picture of one does."""
SAME_THING = 0.8
"""Share of a product's box inside another's from which on both are about one thing: the detector has found a
part of it once more. Boxes that overlap by half of both together are told apart before (`rivals.py`)."""
WHOLE = 0.5
"""Share of the smallest product's area from which on a counterfeit's sign that lies on no product is a whole
fake beside them; what is smaller there may be anything."""
AROUND = 0.1
"""Share of a product's box by which what is on it may lie outside, as the checks allow."""


@dataclass(frozen=True)
class Products:
    """`judged`, those of the label that was asked for before others, each surest first; `left_out`, found too
    but beyond MOST, in the same order."""

    judged: tuple[Seen, ...]
    left_out: tuple[Seen, ...]

    def others(self, product: Seen | None) -> tuple[Seen, ...]:
        """All that were found but this one."""
        return tuple(one for one in (*self.judged, *self.left_out) if one is not product)


def choose_products(seen: Sequence[Seen], asked: str | None) -> Products:
    """The products that were found above their thresholds, one a thing; `asked` is the label that the caller
    named."""
    found = [one for one in seen if one.role is LabelRole.PRODUCT and one.sure]
    kept: list[Seen] = []
    for one in sorted(found, key=lambda one: (one.label != asked, -one.confidence)):
        if not any(_is_same(one.box, other.box) for other in kept):
            kept.append(one)
    return Products(tuple(kept[:MOST]), tuple(kept[MOST:]))


def choose_subjects(
    seen: Sequence[Seen], products: Products, gtin: str | None, asked: str | None
) -> list[Seen | None]:
    """What is judged: every product by itself; and None, the picture but for its products, where none is
    there, or not the one whose GTIN was named, or a known counterfeit lies beside them as a whole."""
    missing = not products.judged or (gtin and all(one.label != asked for one in products.judged))
    beside = _shows_whole_fake(seen, (*products.judged, *products.left_out))
    return [*products.judged, None] if missing or beside else [*products.judged]


def _shows_whole_fake(seen: Sequence[Seen], found: Sequence[Seen]) -> bool:
    """Whether something beside all products is a known counterfeit: brands may annotate whole fakes so."""
    least = WHOLE * min((area(one.box) for one in found), default=0.0)
    return any(
        one.role is LabelRole.COUNTERFEIT
        and one.sure
        and area(one.box) >= least
        and not any(_belongs(one.box, other.box) for other in found)
        for one in seen
    )


def _belongs(box: Rectangle, product: Rectangle) -> bool:
    return holds_centre(grow(product, AROUND), box) or _is_same(box, product)


def see_alone(seen: Sequence[Seen], product: Seen | None, others: Sequence[Seen]) -> tuple[Seen, ...]:
    """What is seen without other products and the tell-tales of counterfeits on them. A mark in the boxes of
    two products counts for both: neither may fail for what the other was given."""

    def is_theirs(one: Seen) -> bool:
        if one.role is LabelRole.PRODUCT:
            # A part of this product alone that was found once more stays: it may be another thing after all.
            own = product is not None and _is_same(one.box, product.box)
            return one.sure and not (own and not any(_is_same(one.box, other.box) for other in others))
        return one.role is LabelRole.COUNTERFEIT and belongs_elsewhere(one.box, product, others)

    return tuple(one for one in seen if one is product or not is_theirs(one))


def read_alone(codes: Sequence[Barcode], product: Seen | None, others: Sequence[Seen]) -> list[Barcode]:
    """The codes without those on other products."""
    return [code for code in codes if not belongs_elsewhere(code.box, product, others)]


def belongs_elsewhere(box: Rectangle, product: Seen | None, others: Sequence[Seen]) -> bool:
    """Whether a thing lies on another product, and nearer to the middle of that than of this one, each
    measured by its own size."""
    there = [other for other in others if holds_centre(grow(other.box, AROUND), box)]
    if not there or product is None:
        return bool(there)
    return min(_distance(box, other.box) for other in there) < _distance(box, product.box)


def _is_same(one: Rectangle, other: Rectangle) -> bool:
    return max(share_inside(one, other), share_inside(other, one)) >= SAME_THING


def _distance(box: Rectangle, product: Rectangle) -> float:
    """How far the middle of a box lies from that of a product: 1 on the product's edge."""
    (x, y), (middle, height) = centre(box), centre(product)
    across, down = (product[2] - product[0]) / 2, (product[3] - product[1]) / 2
    return max(abs(x - middle) / max(across, 1e-6), abs(y - height) / max(down, 1e-6))
