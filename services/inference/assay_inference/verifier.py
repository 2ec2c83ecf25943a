"""One verification from the picture's bytes to the verdict."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import anyio
import anyio.to_thread
import numpy as np
from prometheus_client import Counter, Histogram

from assay_engine.framing import Found, Item
from assay_inference import barcodes, pictures
from assay_inference.access import Caller, choose_brand
from assay_inference.appearance_files import AppearanceFiles
from assay_inference.appearance_workers import Appearance, AppearanceWorkers
from assay_inference.barcodes import Barcode, Reading
from assay_inference.checks import run_checks
from assay_inference.checks.barcode import AROUND
from assay_inference.checks.evidence import Evidence, Seen, pick_product
from assay_inference.engine_client import EngineClient
from assay_inference.errors import BrandUnknown
from assay_inference.explanations import Explanations
from assay_inference.geometry import Rectangle, grow, to_wire
from assay_inference.gs1 import read_gtin
from assay_inference.live import LiveBrand, LiveFollower, LiveModel, Snapshot
from assay_inference.pictures import Picture
from assay_inference.quality import Quality, measure
from assay_inference.settings import BARCODE_RETRY_MS
from assay_inference.upload import Form
from assay_inference.verdict import rule
from assay_shared.appearance.patches import cut_patch
from assay_shared.detector.preprocess import Letterbox, letterbox
from assay_shared.detector.rivals import find_unrivalled
from assay_shared.errors import InvalidRequest, NoLiveModel, NotFound
from assay_shared.ids import new_id, utc_now
from assay_shared.model_description import ProductAppearance
from assay_shared.wire import Detection, Verification

STAGES = Histogram(
    "assay_verification_seconds",
    "seconds of each stage of a verification",
    ["stage"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
VERDICTS = Counter("assay_verdicts", "verifications by verdict", ["verdict"])
PATIENCE = 4.0
"""How much longer a code is looked for where it is all that can name the brand."""
BARCODE_GUIDANCE = [
    "Photograph the barcode: hold the camera straight above it, so that it fills a third of the picture",
    "Avoid glare and shadows on it, and tap it to focus",
    "Or send `brand` or `gtin` with the picture",
]

T = TypeVar("T")


@dataclass
class _Clock:
    """Milliseconds by stage."""

    started: float = field(default_factory=time.perf_counter)
    spent: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - started
            STAGES.labels(name).observe(seconds)
            self.spent[name] = self.spent.get(name, 0.0) + seconds * 1000

    def read(self) -> dict[str, float]:
        total = (time.perf_counter() - self.started) * 1000
        STAGES.labels("total").observe(total / 1000)
        return {name: round(spent, 1) for name, spent in {**self.spent, "total": total}.items()}


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
        BrandFlood, Busy, EngineUnavailable, and what `pictures.decode` raises.
        """
        clock = _Clock()
        snapshot = self._follower.snapshot
        gtin = read_gtin(form.gtin) if form.gtin else None
        brand = await self._named_brand(form.brand, gtin, snapshot, caller)
        if brand is not None:
            self._engine.warm(brand.published.slug, _live_model(brand).version)
        picture = await self._run(clock, "decode", lambda: pictures.decode(form.image, self._max_pixels))
        reading: Reading | None = None
        if brand is None:
            retry_ms = PATIENCE * self._barcode_retry_ms
            reading = await self._run(clock, "barcode", lambda: _read_all(picture, retry_ms))
            brand = _brand_of_codes(reading, snapshot, caller)
            self._engine.warm(brand.published.slug, _live_model(brand).version)
        model = _live_model(brand)
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
        clock: _Clock,
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
            elsewhere=_registered_elsewhere(reading.codes, brand, snapshot),
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
        clock: _Clock,
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
        self, picture: Picture, product: Seen | None, reading: Reading | None, clock: _Clock
    ) -> tuple[Reading, Quality]:
        """Barcodes and quality, where the product is."""
        # Twice what the check allows, so that no code is cut by the edge.
        place = grow(product.box, 2 * AROUND) if product else None
        if reading is None or not barcodes.carries_gtin(reading.codes):
            retry_ms = self._barcode_retry_ms
            reading = await self._run(clock, "barcode", lambda: _read_on_product(picture, place, retry_ms))
        quality = await self._run(
            clock, "quality", lambda: measure(picture, product.box if product else None)
        )
        return reading, quality

    async def _named_brand(
        self, slug: str | None, gtin: str | None, snapshot: Snapshot, caller: Caller
    ) -> LiveBrand | None:
        """The brand that the request names; None when the picture must say."""
        if slug is not None:
            return choose_brand(slug, snapshot, caller)
        if gtin is None:
            return None
        return _brand_of_gtins([gtin], snapshot, caller)

    async def _look(self, picture: Picture, brand: LiveBrand, model: LiveModel, clock: _Clock) -> list[Seen]:
        """What the engine sees, in pixels of the upright picture."""
        size = model.description.image_size
        pixels, fit = await self._run(clock, "letterbox", lambda: letterbox(picture.pixels, size))
        with clock.stage("engine"):
            item = Item(brand.published.slug, model.version, pixels)
            found = await self._engine.detect(item, self._deadline)
        return _describe(found, fit, picture, brand, model)

    async def _run(self, clock: _Clock, stage: str, work: Callable[[], T]) -> T:
        with clock.stage(stage):
            return await self._on_core(work)

    async def _on_core(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self._cores)


def _live_model(brand: LiveBrand) -> LiveModel:
    if brand.model is None:
        raise NoLiveModel(f"Brand {brand.published.slug!r} has no live model yet: train one first")
    return brand.model


def _known_appearance(model: LiveModel, product: Seen | None) -> ProductAppearance | None:
    """What the model version says of the appearance of the product; None where it does not know it."""
    return (model.description.appearance or {}).get(product.label) if product else None


def _read_all(picture: Picture, retry_ms: float) -> Reading:
    """Codes by every means: without one that carries a GTIN there is no brand."""
    found = barcodes.find_quickly(picture)
    return Reading(found) if barcodes.carries_gtin(found) else _read_on(found, picture, None, retry_ms)


def _read_on(found: list[Barcode], picture: Picture, place: Rectangle | None, retry_ms: float) -> Reading:
    """What was found at a glance, and what more time finds."""
    more = barcodes.find_thoroughly(picture, place, retry_ms)
    return Reading(found + more.codes, more.ran_out)


def _brand_of_codes(reading: Reading, snapshot: Snapshot, caller: Caller) -> LiveBrand:
    gtins = list(dict.fromkeys(code.gtin for code in reading.codes if code.gtin))
    if not gtins:
        problem = next((why for code in reading.codes if (why := code.problem or code.malformed)), None)
        raise BrandUnknown(
            "No barcode in the picture could be read"
            + (" in the time that there is for it" if reading.ran_out else "")
            + (f": {problem}" if problem else ""),
            guidance=BARCODE_GUIDANCE,
        )
    return _brand_of_gtins(gtins, snapshot, caller)


def _registered_elsewhere(codes: list[Barcode], brand: LiveBrand, snapshot: Snapshot) -> frozenset[str]:
    """The GTINs among these codes that other brands registered and this one did not; whose they are stays
    here."""
    own = {product.gtin for product in brand.published.products}
    return frozenset(
        code.gtin for code in codes if code.gtin and code.gtin not in own and snapshot.brands_of(code.gtin)
    )


def _brand_of_gtins(gtins: list[str], snapshot: Snapshot, caller: Caller) -> LiveBrand:
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


def _describe(
    found: Found, fit: Letterbox, picture: Picture, brand: LiveBrand, model: LiveModel
) -> list[Seen]:
    """What the detector found, one label to a place, as the thresholds were chosen for."""
    labels = {label.index: label for label in model.description.labels}
    thresholds = brand.published.thresholds
    boxes = fit.to_picture(found.boxes) * np.float32(picture.scale)
    kept = find_unrivalled(found.boxes, found.confidences)
    seen = []
    for box, confidence, index in zip(boxes[kept], found.confidences[kept], found.labels[kept], strict=True):
        label = labels.get(int(index))
        if label is not None:
            left, top, right, bottom = (float(value) for value in box)
            threshold = thresholds.get(label.name, label.threshold)
            seen.append(
                Seen(label.name, label.role, float(confidence), threshold, (left, top, right, bottom))
            )
    return seen


def _read_on_product(picture: Picture, place: Rectangle | None, retry_ms: float) -> Reading:
    """Codes on the product, the only ones that count, by every means; without one, at a glance anywhere."""
    found = barcodes.find_quickly(picture, place)
    if place is None or barcodes.carries_gtin(found):
        return Reading(found)
    return _read_on(found, picture, place, retry_ms)


def _first_gtin(evidence: Evidence) -> str | None:
    """The GTIN read from the picture, one that the brand registered before others."""
    gtins = [code.gtin for code in evidence.barcodes if code.gtin]
    known = [gtin for gtin in gtins if evidence.label_of(gtin)]
    return next(iter(known or gtins), None)
