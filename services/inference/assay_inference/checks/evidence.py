"""Everything that the checks look at: what is in the picture, and what the brand says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from assay_inference.appearance_workers import Appearance
from assay_inference.barcodes import Barcode
from assay_inference.geometry import Rectangle
from assay_inference.quality import Quality
from assay_shared.wire import (
    DOUBTED_SHARE,
    INCONCLUSIVE_SHARE,
    Check,
    LabelRole,
    Outcome,
    PublishedProduct,
)


@dataclass(frozen=True)
class Seen:
    """One thing that the detector saw, sure or not: `confidence` may lie under `threshold`; `box` in pixels
    of the upright picture."""

    label: str
    role: LabelRole
    confidence: float
    threshold: float
    box: Rectangle

    @property
    def sure(self) -> bool:
        """Whether it counts as found."""
        return self.confidence >= self.threshold


@dataclass(frozen=True)
class Evidence:
    """What concerns one product: the picture's width and height in pixels; the side of the detector's frame,
    into which it is fitted whole, in pixels of that; its quality where the product is; what was read and
    seen, without what is another product's; the labels of the model with their roles; the brand's products;
    the GTIN that the caller named; those of the GTINs read that other brands registered (never whose);
    whether time for reading codes ran out; what was found of the product's appearance, or why nothing was;
    the shares of genuine products that the brand is willing to see called counterfeit, and left inconclusive,
    by their appearance; the other products of the picture, which have evidence of their own."""

    width: int
    height: int
    image_size: int
    quality: Quality
    barcodes: tuple[Barcode, ...]
    seen: tuple[Seen, ...]
    roles: dict[str, LabelRole]
    required_marks: dict[str, tuple[str, ...]]
    products: tuple[PublishedProduct, ...]
    gtin: str | None = None
    elsewhere: frozenset[str] = frozenset()
    barcode_ran_out: bool = False
    appearance: Appearance | None = None
    no_appearance: str = ""
    doubted_share: float = DOUBTED_SHARE
    inconclusive_share: float = INCONCLUSIVE_SHARE
    others: tuple[Seen, ...] = ()

    @cached_property
    def product(self) -> Seen | None:
        """The product that is judged: see `pick_product`."""
        return pick_product(self.seen, self.label_of(self.gtin))

    def best(self, label: str) -> float:
        """The highest confidence at which a label was seen anywhere; 0 when it was not."""
        return max((seen.confidence for seen in self.seen if seen.label == label), default=0.0)

    def label_of(self, gtin: str | None) -> str | None:
        """The label of the brand's product with this GTIN, if it has one."""
        return next((product.label for product in self.products if product.gtin == gtin), None)


@dataclass(frozen=True)
class Judged:
    """A check's answer, and what the person with the camera can do about it."""

    check: Check
    guidance: tuple[str, ...] = ()


def pick_product(seen: tuple[Seen, ...], wanted: str | None) -> Seen | None:
    """The product to judge: the surest of the label that the caller named if it is there, else the surest.

    None when no product was found above its threshold.
    """
    found = [one for one in seen if one.role is LabelRole.PRODUCT and one.sure]
    named = [one for one in found if one.label == wanted]
    return max(named or found, key=lambda one: one.confidence, default=None)


def grade(confidence: float, threshold: float) -> float:
    """A score from a confidence or a p-value: 0.5 at the threshold, 0 at 0, 1 at 1, straight lines
    between."""
    if confidence < threshold:
        return 0.5 * confidence / threshold
    return 0.5 + 0.5 * (confidence - threshold) / max(1 - threshold, 1e-6)


def answer(
    name: str,
    outcome: Outcome,
    reason: str,
    *guidance: str,
    score: float | None = None,
    values: Mapping[str, object] | None = None,
) -> Judged:
    """Puts a check's answer together; `values` are the numbers behind it."""
    rounded = {
        key: round(value, 4) if isinstance(value, float) else value for key, value in (values or {}).items()
    }
    check = Check(
        name=name,
        outcome=outcome,
        score=None if score is None else round(score, 4),
        reason=reason,
        values=rounded,
    )
    return Judged(check, guidance)
