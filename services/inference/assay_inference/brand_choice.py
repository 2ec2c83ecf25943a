"""Of which brand a picture is: the one named, else the one that registered the GTIN named or read."""

from __future__ import annotations

from collections.abc import Sequence

from assay_inference.access import Caller, choose_brand
from assay_inference.barcodes import Barcode, Reading
from assay_inference.errors import BrandUnknown
from assay_inference.snapshot import LiveBrand, LiveModel, Snapshot
from assay_shared.errors import InvalidRequest, NoLiveModel, NotFound

BARCODE_GUIDANCE = [
    "Photograph the barcode: hold the camera straight above it, so that it fills a third of the picture",
    "Avoid glare and shadows on it, and tap it to focus",
    "Or send `brand` or `gtin` with the picture",
]


def choose_named(slug: str | None, gtin: str | None, snapshot: Snapshot, caller: Caller) -> LiveBrand | None:
    """The brand that the request names, by itself or by a GTIN; None when the picture must say.

    Raises what `choose_brand` and `choose_by_gtins` raise.
    """
    if slug is not None:
        return choose_brand(slug, snapshot, caller)
    return None if gtin is None else choose_by_gtins([gtin], snapshot, caller)


def choose_by_codes(reading: Reading, snapshot: Snapshot, caller: Caller) -> LiveBrand:
    """The brand of the codes that were read. Raises BrandUnknown where none carries a GTIN, and what
    `choose_by_gtins` raises."""
    gtins = list(dict.fromkeys(code.gtin for code in reading.codes if code.gtin))
    if not gtins:
        problem = next((why for code in reading.codes if (why := code.problem or code.malformed)), None)
        raise BrandUnknown(
            "No barcode in the picture could be read"
            + (" in the time that there is for it" if reading.ran_out else "")
            + (f": {problem}" if problem else ""),
            guidance=BARCODE_GUIDANCE,
        )
    return choose_by_gtins(gtins, snapshot, caller)


def choose_by_gtins(gtins: Sequence[str], snapshot: Snapshot, caller: Caller) -> LiveBrand:
    """The one brand that registered any of these. What the caller may not see does not exist for it.

    Raises NotFound, and InvalidRequest when several brands did.
    """
    slugs = dict.fromkeys(slug for gtin in gtins for slug in snapshot.brands_of(gtin))
    brands = [snapshot.brands[slug] for slug in slugs if caller.may_verify(snapshot.brands[slug])]
    own = [brand for brand in brands if brand.published.slug == caller.brand]
    brands = own or brands
    if not brands:
        raise NotFound(f"No brand that may be verified here has registered GTIN {', '.join(gtins[:5])}")
    if len(brands) > 1:
        names = sorted(brand.published.slug for brand in brands)
        raise InvalidRequest(f"brand: several brands registered this GTIN; name one of {names}", brands=names)
    return brands[0]


def find_live_model(brand: LiveBrand) -> LiveModel:
    """What judges the brand's pictures now. Raises NoLiveModel."""
    if brand.model is None:
        raise NoLiveModel(f"Brand {brand.published.slug!r} has no live model yet: train one first")
    return brand.model


def find_registered_elsewhere(codes: list[Barcode], brand: LiveBrand, snapshot: Snapshot) -> frozenset[str]:
    """The GTINs among these codes that other brands registered and this one did not; whose they are stays
    here."""
    own = {product.gtin for product in brand.published.products}
    return frozenset(
        code.gtin for code in codes if code.gtin and code.gtin not in own and snapshot.brands_of(code.gtin)
    )
