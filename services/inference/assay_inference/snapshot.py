"""All brands at one moment, as verifying needs them: products, keys, and the model version that judges."""

from __future__ import annotations

from dataclasses import dataclass, field

from assay_shared.model_description import ModelDescription
from assay_shared.wire import PublishedBrand


@dataclass(frozen=True)
class LiveModel:
    """The model version that judges a brand's pictures now."""

    version: str
    description: ModelDescription


@dataclass(frozen=True)
class LiveBrand:
    """A brand as verifying needs it; `model` is None until one is live."""

    published: PublishedBrand
    model: LiveModel | None = None
    keys: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Snapshot:
    """All brands at one moment. A request works with one snapshot from start to end."""

    brands: dict[str, LiveBrand] = field(default_factory=dict)
    by_gtin: dict[str, tuple[str, ...]] = field(default_factory=dict)
    by_key: dict[str, str] = field(default_factory=dict)

    def brands_of(self, gtin: str) -> tuple[str, ...]:
        """The brands that registered this GTIN-14."""
        return self.by_gtin.get(gtin, ())


def make_snapshot(brands: dict[str, LiveBrand]) -> Snapshot:
    """A snapshot with its indices: GTIN to brands, hash of a verify key to its brand."""
    by_gtin: dict[str, tuple[str, ...]] = {}
    by_key: dict[str, str] = {}
    for slug, brand in sorted(brands.items()):
        for product in brand.published.products:
            by_gtin[product.gtin] = (*by_gtin.get(product.gtin, ()), slug)
        by_key |= dict.fromkeys(brand.keys, slug)
    return Snapshot(brands, by_gtin, by_key)
