"""What the checks look at, gathered product by product: print, codes and quality at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from assay_inference import barcodes
from assay_inference.appearance_files import AppearanceFiles
from assay_inference.appearance_workers import Appearance, AppearanceWorkers
from assay_inference.barcodes import Reading
from assay_inference.brand_choice import find_registered_elsewhere
from assay_inference.checks.barcode import AROUND
from assay_inference.checks.evidence import Evidence, Seen
from assay_inference.code_search import read_on_product
from assay_inference.cores import Cores
from assay_inference.geometry import grow
from assay_inference.pictures import Picture
from assay_inference.products import Products, read_alone, see_alone
from assay_inference.quality import Quality, measure
from assay_inference.snapshot import LiveBrand, LiveModel, Snapshot
from assay_inference.stages import Clock
from assay_shared.appearance.patches import cut_patch
from assay_shared.model_description import ProductAppearance

STEPS_AT_ONCE = 2
"""Of a product that want a core at the same time: its print is cut out while its codes are read."""


@dataclass(frozen=True)
class Case:
    """A picture, the brand and the model version that judges it, what was seen and which products of it are
    judged; `reading` of codes anywhere, None where the brand was named; the GTIN that the caller named and
    the label that it `asked` for so, None where it named none of the brand's."""

    picture: Picture
    brand: LiveBrand
    model: LiveModel
    seen: tuple[Seen, ...]
    products: Products
    reading: Reading | None
    gtin: str | None
    asked: str | None
    snapshot: Snapshot
    clock: Clock


class Gatherer:
    """Gathers evidence. `barcode_retry_ms` is shared by the products of a picture."""

    def __init__(
        self, files: AppearanceFiles, workers: AppearanceWorkers, barcode_retry_ms: float, cores: Cores
    ) -> None:
        self._files = files
        self._workers = workers
        self._barcode_retry_ms = barcode_retry_ms
        self._cores = cores

    async def gather(self, case: Case, product: Seen | None) -> Evidence:
        """The evidence of one product; None: of the picture, but for what is its products'."""
        others = case.products.others(product)
        known = find_known_appearance(case.model, product)
        appearance, (reading, quality) = await asyncio.gather(
            self._compare(case, product, known), self._read_and_measure(case, product)
        )
        description, published = case.model.description, case.brand.published
        return Evidence(
            width=case.picture.width,
            height=case.picture.height,
            image_size=description.image_size,
            quality=quality,
            barcodes=tuple(reading.codes),
            seen=see_alone(case.seen, product, others),
            roles={label.name: label.role for label in description.labels},
            required_marks={label: tuple(marks) for label, marks in description.required_marks.items()},
            products=tuple(published.products),
            # Another product's own verdict has nothing to do with what was asked for.
            gtin=case.gtin if product is None or product.label == case.asked else None,
            elsewhere=find_registered_elsewhere(reading.codes, case.brand, case.snapshot),
            barcode_ran_out=reading.ran_out,
            appearance=appearance,
            no_appearance=known.reason if known else "",
            doubted_share=published.doubted_share,
            inconclusive_share=published.inconclusive_share,
            others=others,
        )

    async def _compare(
        self, case: Case, product: Seen | None, known: ProductAppearance | None
    ) -> Appearance | None:
        """How the product's print compares with the genuine one; None where the model does not know it."""
        if product is None or known is None or known.file is None:
            return None
        file, sha256 = known.file, case.model.description.files[known.file]
        slug, version, picture = case.brand.published.slug, case.model.version, case.picture
        left, top, right, bottom = (edge / picture.scale for edge in product.box)
        with case.clock.stage("appearance"):
            try:
                path, patch = await self._cores.run(
                    slug,
                    lambda: (
                        self._files.fetch(slug, version, file, sha256),
                        cut_patch(picture.pixels, (left, top, right, bottom)),
                    ),
                )
            except ValueError:
                return Appearance()
            return await self._workers.judge(slug, path, patch)

    async def _read_and_measure(self, case: Case, product: Seen | None) -> tuple[Reading, Quality]:
        """Barcodes and quality, where the product is."""
        slug, others = case.brand.published.slug, case.products.others(product)
        # Twice what the check allows, so that no code is cut by the edge.
        place = grow(product.box, 2 * AROUND) if product else None
        codes = read_alone(case.reading.codes, product, others) if case.reading else []
        ran_out = case.reading is not None and case.reading.ran_out
        if not barcodes.carries_gtin(codes):
            retry_ms = self._barcode_retry_ms / max(1, len(case.products.judged))
            with case.clock.stage("barcode"):
                found = await self._cores.run(slug, lambda: read_on_product(case.picture, place, retry_ms))
            codes, ran_out = codes + read_alone(found.codes, product, others), found.ran_out
        with case.clock.stage("quality"):
            quality = await self._cores.run(
                slug, lambda: measure(case.picture, product.box if product else None)
            )
        return Reading(codes, ran_out), quality


def find_known_appearance(model: LiveModel, product: Seen | None) -> ProductAppearance | None:
    """What the model version says of the appearance of a product; None where it does not know it."""
    return (model.description.appearance or {}).get(product.label) if product else None
