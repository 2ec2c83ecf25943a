"""One verification from the picture's bytes to the verdict."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from prometheus_client import Counter

from assay_engine.framing import Item
from assay_inference import barcodes, pictures
from assay_inference.access import Caller
from assay_inference.appearance_files import AppearanceFiles
from assay_inference.appearance_workers import Appearance, AppearanceWorkers
from assay_inference.barcodes import Reading
from assay_inference.brand_choice import (
    choose_by_codes,
    choose_named,
    find_live_model,
    find_registered_elsewhere,
)
from assay_inference.checks import run_checks
from assay_inference.checks.barcode import AROUND
from assay_inference.checks.evidence import Evidence, Seen, pick_product
from assay_inference.code_search import read_everywhere, read_on_product
from assay_inference.detections import describe_found
from assay_inference.engine_client import EngineClient
from assay_inference.explanations import Explanations
from assay_inference.geometry import grow, to_wire
from assay_inference.gs1 import read_gtin
from assay_inference.live import LiveBrand, LiveFollower, LiveModel, Snapshot
from assay_inference.pictures import Picture
from assay_inference.quality import Quality, measure
from assay_inference.settings import BARCODE_RETRY_MS
from assay_inference.stages import Clock
from assay_inference.upload import Form
from assay_inference.verdict import rule
from assay_shared.appearance.patches import cut_patch
from assay_shared.detector.preprocess import letterbox
from assay_shared.ids import new_id, utc_now
from assay_shared.model_description import ProductAppearance
from assay_shared.wire import Detection, Verification

VERDICTS = Counter("assay_verdicts", "verifications by verdict", ["verdict"])
T = TypeVar("T")


class Verifier:
    """Judges pictures. Work on pixels runs on as many threads as there are cores."""

    def __init__(
        self,
        follower: LiveFollower,
        engine: EngineClient,
        files: AppearanceFiles,
        workers: AppearanceWorkers,
        explanations: Explanations,
        max_pixels: int,
        deadline_seconds: float,
        barcode_retry_ms: float = BARCODE_RETRY_MS,
    ) -> None:
        self._follower = follower
        self._engine = engine
        self._files = files
        self._workers = workers
        self._explanations = explanations
        self._max_pixels = max_pixels
        self._deadline = deadline_seconds
        self._barcode_retry_ms = barcode_retry_ms
        self._cores = anyio.CapacityLimiter(len(os.sched_getaffinity(0)))

    async def verify(self, form: Form, caller: Caller, request_id: str) -> Verification:
        """The verification of a picture.

        The brand is the one named, else the one that registered the GTIN named, else the one of the barcode
        in the picture. With a brand named, barcodes are read where the product was found and nowhere else,
        which takes half the time. Raises NotFound, NotAuthenticated, BrandUnknown, NoLiveModel,
        EngineUnavailable, and what `pictures.decode` raises.
        """
        clock = Clock()
        snapshot = self._follower.snapshot
        gtin = read_gtin(form.gtin) if form.gtin else None
        brand = choose_named(form.brand, gtin, snapshot, caller)
        if brand is not None:
            find_live_model(brand)
        picture = await self._run(clock, "decode", lambda: pictures.decode(form.image, self._max_pixels))
        reading: Reading | None = None
        if brand is None:
            reading = await self._run(
                clock, "barcode", lambda: read_everywhere(picture, self._barcode_retry_ms)
            )
            brand = choose_by_codes(reading, snapshot, caller)
        model = find_live_model(brand)
        seen = await self._look(picture, brand, model, clock)
        evidence = await self._gather(picture, brand, model, seen, reading, gtin, snapshot, clock)
        with clock.stage("checks"):
            judged = run_checks(evidence)
            ruling = rule(judged)
        VERDICTS.labels(ruling.verdict.value).inc()
        verification = new_id("ver")
        if evidence.appearance is not None and evidence.appearance.picture:
            slug, shown = brand.published.slug, evidence.appearance.picture
            await self._run(clock, "explanation", lambda: self._explanations.keep(slug, verification, shown))
        return Verification(
            id=verification,
            brand=brand.published.slug,
            verdict=ruling.verdict,
            score=round(ruling.score, 4),
            checks=[one.check for one in judged],
            detections=[
                Detection(
                    label=one.label, role=one.role, confidence=round(one.confidence, 4), box=to_wire(one.box)
                )
                for one in seen
                if one.sure
            ],
            model_version=model.version,
            gtin=gtin or _first_gtin(evidence),
            image={"width": picture.width, "height": picture.height},
            guidance=list(ruling.guidance),
            timings_ms=clock.read(),
            created_at=utc_now(),
            request_id=request_id,
        )

    async def _gather(
        self,
        picture: Picture,
        brand: LiveBrand,
        model: LiveModel,
        seen: list[Seen],
        reading: Reading | None,
        gtin: str | None,
        snapshot: Snapshot,
        clock: Clock,
    ) -> Evidence:
        """What the checks look at. The print is compared in another process while codes are read in this."""
        products = tuple(brand.published.products)
        wanted = next((product.label for product in products if product.gtin == gtin), None)
        product = pick_product(tuple(seen), wanted)
        known = _known_appearance(model, product)
        appearance, (reading, quality) = await asyncio.gather(
            self._compare(picture, brand, model, product, known, clock),
            self._read_and_measure(picture, product, reading, clock),
        )
        return Evidence(
            width=picture.width,
            height=picture.height,
            quality=quality,
            barcodes=tuple(reading.codes),
            seen=tuple(seen),
            roles={label.name: label.role for label in model.description.labels},
            required_marks={label: tuple(marks) for label, marks in model.description.required_marks.items()},
            products=products,
            gtin=gtin,
            elsewhere=find_registered_elsewhere(reading.codes, brand, snapshot),
            barcode_ran_out=reading.ran_out,
            appearance=appearance,
            no_appearance=known.reason if known else "",
            doubted_share=brand.published.doubted_share,
        )

    async def _compare(
        self,
        picture: Picture,
        brand: LiveBrand,
        model: LiveModel,
        product: Seen | None,
        known: ProductAppearance | None,
        clock: Clock,
    ) -> Appearance | None:
        """How the product's print compares with the genuine one; None where the model does not know it."""
        if product is None or known is None or known.file is None:
            return None
        file, sha256 = known.file, model.description.files[known.file]
        slug, version = brand.published.slug, model.version
        left, top, right, bottom = (edge / picture.scale for edge in product.box)
        with clock.stage("appearance"):
            path = await self._on_core(lambda: self._files.fetch(slug, version, file, sha256))
            try:
                patch = await self._on_core(lambda: cut_patch(picture.pixels, (left, top, right, bottom)))
            except ValueError:
                return Appearance()
            return await self._workers.judge(path, patch)

    async def _read_and_measure(
        self, picture: Picture, product: Seen | None, reading: Reading | None, clock: Clock
    ) -> tuple[Reading, Quality]:
        """Barcodes and quality, where the product is."""
        # Twice what the check allows, so that no code is cut by the edge.
        place = grow(product.box, 2 * AROUND) if product else None
        if reading is None or not barcodes.carries_gtin(reading.codes):
            retry_ms = self._barcode_retry_ms
            reading = await self._run(clock, "barcode", lambda: read_on_product(picture, place, retry_ms))
        quality = await self._run(
            clock, "quality", lambda: measure(picture, product.box if product else None)
        )
        return reading, quality

    async def _look(self, picture: Picture, brand: LiveBrand, model: LiveModel, clock: Clock) -> list[Seen]:
        """What the engine sees, in pixels of the upright picture."""
        size = model.description.image_size
        pixels, fit = await self._run(clock, "letterbox", lambda: letterbox(picture.pixels, size))
        with clock.stage("engine"):
            item = Item(brand.published.slug, model.version, pixels)
            found = await self._engine.detect(item, self._deadline)
        return describe_found(found, fit, picture, brand, model)

    async def _run(self, clock: Clock, stage: str, work: Callable[[], T]) -> T:
        with clock.stage(stage):
            return await self._on_core(work)

    async def _on_core(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._cores)


def _known_appearance(model: LiveModel, product: Seen | None) -> ProductAppearance | None:
    """What the model version says of the appearance of the product; None where it does not know it."""
    return (model.description.appearance or {}).get(product.label) if product else None


def _first_gtin(evidence: Evidence) -> str | None:
    """The GTIN read from the picture, one that the brand registered before others."""
    gtins = [code.gtin for code in evidence.barcodes if code.gtin]
    known = [gtin for gtin in gtins if evidence.label_of(gtin)]
    return next(iter(known or gtins), None)
