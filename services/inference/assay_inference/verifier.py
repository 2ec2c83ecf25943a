"""One verification from the picture's bytes to the verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from prometheus_client import Counter

from assay_engine.framing import Item
from assay_inference import pictures
from assay_inference.access import Caller
from assay_inference.appearance_files import AppearanceFiles
from assay_inference.appearance_workers import AppearanceWorkers
from assay_inference.barcodes import Reading
from assay_inference.brand_choice import choose_by_codes, choose_named, find_live_model
from assay_inference.checks.evidence import Seen
from assay_inference.code_search import read_everywhere
from assay_inference.cores import Cores
from assay_inference.detections import describe_found
from assay_inference.engine_client import EngineClient
from assay_inference.explanations import AppearancePlace, Explanation, Explanations
from assay_inference.gathering import Case, Gatherer, find_known_appearance
from assay_inference.geometry import to_wire
from assay_inference.gs1 import read_gtin
from assay_inference.judgements import (
    Judgement,
    describe_products,
    find_gtin,
    judge,
    rule_picture,
    sort_judgements,
)
from assay_inference.live import LiveFollower
from assay_inference.pictures import Picture
from assay_inference.products import choose_products, choose_subjects
from assay_inference.settings import BARCODE_RETRY_MS
from assay_inference.snapshot import LiveBrand, LiveModel
from assay_inference.stages import Clock
from assay_inference.upload import Form
from assay_shared.detector.preprocess import letterbox
from assay_shared.ids import new_id, utc_now
from assay_shared.wire import Detection, Verification

VERDICTS = Counter("assay_verdicts", "verifications by verdict", ["verdict"])
T = TypeVar("T")


class Verifier:
    """Judges pictures."""

    def __init__(
        self,
        follower: LiveFollower,
        engine: EngineClient,
        files: AppearanceFiles,
        workers: AppearanceWorkers,
        cores: Cores,
        explanations: Explanations,
        max_pixels: int,
        deadline_seconds: float,
        barcode_retry_ms: float = BARCODE_RETRY_MS,
    ) -> None:
        self._follower = follower
        self._engine = engine
        self._explanations = explanations
        self._max_pixels = max_pixels
        self._deadline = deadline_seconds
        self._barcode_retry_ms = barcode_retry_ms
        self._cores = cores
        self._gatherer = Gatherer(files, workers, barcode_retry_ms, cores)

    async def verify(self, form: Form, caller: Caller, request_id: str) -> Verification:
        """The verification of a picture.

        The brand is the one named, else the one that registered the GTIN named, else the one of the barcode
        in the picture. With a brand named, barcodes are read where the product was found and nowhere else,
        which takes half the time. Raises NotFound, NotAuthenticated, BrandUnknown, NoLiveModel,
        BrandFlood, Busy, EngineUnavailable, Unavailable, and what `pictures.decode` raises.
        """
        clock = Clock()
        snapshot = self._follower.snapshot
        gtin = read_gtin(form.gtin) if form.gtin else None
        brand = choose_named(form.brand, gtin, snapshot, caller)
        # Until the barcode names the brand, a picture stands in line with whoever sends it.
        sender = caller.brand or ""
        if brand is not None:
            sender = brand.published.slug
            self._engine.warm(sender, find_live_model(brand).version)
        picture = await self._run(
            clock, "decode", sender, lambda: pictures.decode(form.image, self._max_pixels)
        )
        reading: Reading | None = None
        if brand is None:
            reading = await self._run(
                clock, "barcode", sender, lambda: read_everywhere(picture, self._barcode_retry_ms)
            )
            brand = choose_by_codes(reading, snapshot, caller)
            self._engine.warm(brand.published.slug, find_live_model(brand).version)
        model = find_live_model(brand)
        seen = await self._look(picture, brand, model, clock)
        asked = next((one.label for one in brand.published.products if one.gtin == gtin), None)
        products = choose_products(seen, asked)
        case = Case(picture, brand, model, tuple(seen), products, reading, gtin, asked, snapshot, clock)
        judgements = await self._judge(case)
        ruling = rule_picture(judgements, products, gtin)
        VERDICTS.labels(ruling.verdict.value).inc()
        verification = new_id("ver")
        await self._run(
            clock,
            "explanation",
            brand.published.slug,
            lambda: self._keep(case, judgements, verification),
        )
        return Verification(
            id=verification,
            brand=brand.published.slug,
            verdict=ruling.verdict,
            score=round(ruling.score, 4),
            checks=[one.check for one in judgements[0].checks],
            detections=[
                Detection(
                    label=one.label, role=one.role, confidence=round(one.confidence, 4), box=to_wire(one.box)
                )
                for one in seen
                if one.sure
            ],
            model_version=model.version,
            gtin=gtin or find_gtin(judgements[0].evidence),
            image={"width": picture.width, "height": picture.height},
            guidance=list(ruling.guidance),
            timings_ms=clock.read(),
            created_at=utc_now(),
            request_id=request_id,
            products=describe_products(judgements),
            products_left_out=len(products.left_out),
        )

    async def _judge(self, case: Case) -> list[Judgement]:
        """Every product judged by itself, all at the same time; the first decides. Where the one asked for is
        not there, or none is, or a whole fake lies beside them, that is judged too, and decides."""
        judged = choose_subjects(case.seen, case.products, case.gtin, case.asked)
        evidence = await asyncio.gather(*(self._gatherer.gather(case, one) for one in judged))
        with case.clock.stage("checks"):
            judgements = [judge(one, its) for one, its in zip(judged, evidence, strict=True)]
            return sort_judgements(judgements, case.asked)

    def _keep(self, case: Case, judgements: list[Judgement], verification: str) -> None:
        """Keeps what the explanations of products are drawn from, by their places in the answer."""
        slug, version = case.brand.published.slug, case.model.version
        files = case.model.description.files
        for place, one in enumerate(one for one in judgements if one.product is not None):
            known, found = find_known_appearance(case.model, one.product), one.evidence.appearance
            if known is not None and known.file is not None and found is not None and found.sketch:
                where = AppearancePlace(
                    brand=slug, version=version, file=known.file, sha256=files[known.file]
                )
                self._explanations.keep(verification, place, Explanation(where, found.sketch))

    async def _look(self, picture: Picture, brand: LiveBrand, model: LiveModel, clock: Clock) -> list[Seen]:
        """What the engine sees, in pixels of the upright picture."""
        slug, size = brand.published.slug, model.description.image_size
        pixels, fit = await self._run(clock, "letterbox", slug, lambda: letterbox(picture.pixels, size))
        with clock.stage("engine"):
            item = Item(slug, model.version, pixels)
            found = await self._engine.detect(item, self._deadline)
        return describe_found(found, fit, picture, brand, model)

    async def _run(self, clock: Clock, stage: str, brand: str, work: Callable[[], T]) -> T:
        with clock.stage(stage):
            return await self._cores.run(brand, work)
