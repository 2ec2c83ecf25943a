"""The verify API: `POST /v1/verifications`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Annotated, Any

import anyio.to_thread
from fastapi import FastAPI, Query, Request, Response
from prometheus_client import Counter

from assay_engine.framing import Item
from assay_inference.access import Caller, identify
from assay_inference.admission import Admission
from assay_inference.api_document import FORM_SCHEMA, PROBLEM_CONTENT, PROBLEMS, describe_problems
from assay_inference.appearance_files import AppearanceFiles
from assay_inference.appearance_workers import AppearanceWorkers
from assay_inference.backends import choose_backend
from assay_inference.cores import Cores
from assay_inference.engine_client import NO_PICTURE, EngineClient
from assay_inference.explanations import Explanations
from assay_inference.gathering import STEPS_AT_ONCE
from assay_inference.live import LiveFollower
from assay_inference.log_spool import LogSpool
from assay_inference.picture_spool import PictureSpool, wants_picture
from assay_inference.pictures import find_extension
from assay_inference.products import MOST
from assay_inference.settings import Settings
from assay_inference.upload import drain, read_form
from assay_inference.verifier import Verifier
from assay_shared import logs
from assay_shared.errors import AssayError, NotAuthenticated, NotFound, Unavailable, all_errors
from assay_shared.registry_client import RegistryClient
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore
from assay_shared.web import install_web
from assay_shared.wire import Verification

PROBLEMS_ANSWERED = Counter(
    "assay_verification_problems", "verifications answered by a problem document, by its type", ["type"]
)
for _type in all_errors():
    # A series that appears with its first problem has no increase: an alert would miss it.
    PROBLEMS_ANSWERED.labels(_type)
UNLOGGED = Counter("assay_verification_log_lost", "verifications whose log entry the disk did not take")
log = logs.get_logger(__name__)


def create_app(settings: Settings | None = None, store_settings: StoreSettings | None = None) -> FastAPI:
    """The app, with its settings from the environment unless given."""
    settings = settings or Settings()  # from the environment
    store = ObjectStore(store_settings or StoreSettings())  # from the environment
    backend = choose_backend(settings, store)
    registry = RegistryClient(
        settings.registry_url,
        settings.service_token.get_secret_value(),
        settings.registry_timeout_seconds,
    )
    spool = LogSpool(settings.data_dir / "log", registry)
    kept = PictureSpool(settings.data_dir / "pictures", store, settings.kept_pictures_bytes)
    explanations = Explanations(
        settings.data_dir / "explanations", settings.explanation_seconds, settings.explanation_bytes
    )
    files = AppearanceFiles(store, settings.data_dir / "appearance", settings.appearance_disk_bytes)
    follower = LiveFollower(store, settings.data_dir / "live", settings.live_seconds)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        transport = backend.connect()
        engine = EngineClient(
            backend.hosts,
            backend.slots,
            backend.batch,
            settings.engine_queue,
            settings.engine_timeout_seconds,
            streams=backend.streams,
            silence_seconds=settings.engine_silence_seconds,
            reserve_seconds=settings.engine_reserve_seconds,
            transport=transport,
        )
        app.state.engine, app.state.transport = engine, transport
        engine.start()
        follower.on_promotion = _warmer(engine, asyncio.get_running_loop(), settings.verify_deadline_seconds)
        follower.start()
        spool.start()
        kept.start()
        workers = AppearanceWorkers(
            settings.appearance_workers,
            settings.appearance_memory_bytes,
            in_work * (MOST + 1),
            settings.verify_deadline_seconds,
        )
        app.state.workers = workers
        app.state.verifier = Verifier(
            follower,
            engine,
            files,
            workers,
            Cores(in_work * STEPS_AT_ONCE * (MOST + 1), settings.verify_deadline_seconds),
            explanations,
            settings.max_image_pixels,
            settings.verify_deadline_seconds,
            settings.barcode_retry_ms,
        )
        yield
        await engine.stop()
        workers.stop()
        await anyio.to_thread.run_sync(follower.stop)
        await anyio.to_thread.run_sync(spool.stop)
        await anyio.to_thread.run_sync(kept.stop)
        registry.close()

    app = FastAPI(title="Assay verify API", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    in_work = settings.engine_queue + settings.engine_batch
    admission = Admission(in_work, lambda: app.state.engine.wait_seconds())

    @app.post(
        "/v1/verifications",
        tags=["verifications"],
        summary="Judge a picture",
        openapi_extra={"requestBody": FORM_SCHEMA, "security": [{"key": []}, {}]},
        responses={
            status: {"description": text, "content": PROBLEM_CONTENT} for status, text in PROBLEMS.items()
        },
    )
    async def verify(request: Request) -> Verification:
        """Says whether the product in a picture is genuine, with the checks that explain it.

        Of several products of the brand in the picture each is judged, eight at most, and listed in
        `products`; the verdict is that of the one that `gtin` names, else of the worst.

        Without `brand` and `gtin`, the barcode in the picture names the brand; if none can be read the
        answer is 422 `brand-unknown`, with `guidance` on how to photograph it.
        """
        with _counted_problems(), ExitStack() as stack:
            try:
                caller = await _identify(request, follower, settings.admin_key_sha256)
                place = stack.enter_context(admission.admit(caller.brand or ""))
                form = await read_form(request, settings.max_picture_bytes)
            except AssayError:
                await drain(request)
                raise
            if form.brand is not None:
                place.belongs_to(form.brand)
                await follower.look_at(form.brand)
            verifier: Verifier = app.state.verifier
            verification = await verifier.verify(form, caller, logs.current_request_id())
            await _keep(spool, verification)
            brand = follower.snapshot.brands.get(verification.brand)
            if brand is not None and wants_picture(brand.published.kept_pictures, verification):
                await anyio.to_thread.run_sync(_keep_picture, kept, verification, form.image)
        return verification

    @app.get(
        "/v1/verifications/{id}/explanation",
        tags=["verifications"],
        summary="Why a picture was judged so, as a picture",
        response_class=Response,
        openapi_extra={"security": [{"key": []}, {}]},
        responses={
            200: {
                "content": {"image/jpeg": {}},
                "description": "the product, and the genuine print beside it",
            },
            401: {"description": PROBLEMS[401], "content": PROBLEM_CONTENT},
            404: {
                "description": "no such verification, no such product in it, or no picture of it",
                "content": PROBLEM_CONTENT,
            },
            503: {
                "description": "the genuine print cannot be read now; see Retry-After",
                "content": PROBLEM_CONTENT,
            },
        },
    )
    async def explain(
        id: str,
        request: Request,
        product: Annotated[
            int, Query(ge=0, le=99, description="the product's place in `products` of the answer")
        ] = 0,
    ) -> Response:
        """The photo with the printed face outlined, the face straightened, and the genuine print, with the
        places outlined where they differ. It can be had for `ASSAY_EXPLANATION_SECONDS` by whoever may
        verify pictures of the brand; a product whose print is not compared has none. It is drawn now."""
        caller = await _identify(request, follower, settings.admin_key_sha256)
        found = await anyio.to_thread.run_sync(explanations.find, id, product)
        brand = follower.snapshot.brands.get(found.place.brand) if found else None
        if found is None or brand is None or not caller.may_verify(brand):
            raise NotFound(
                f"There is no explanation of product {product} of verification {id[:64]!r}, or none any more"
            )
        place, workers = found.place, app.state.workers
        path = await anyio.to_thread.run_sync(
            files.fetch, place.brand, place.version, place.file, place.sha256
        )
        picture: bytes = await workers.draw(place.brand, path, found.sketch)
        return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "private, no-store"})

    def check_live() -> None:
        if not (follower.scanned or follower.snapshot.brands):
            raise Unavailable("Bucket `live` was not read yet")

    install_web(
        app,
        "inference",
        {"engine": lambda: app.state.transport.check(), "live": check_live},
    )
    describe_problems(app)
    return app


@contextmanager
def _counted_problems() -> Iterator[None]:
    """Counts what ends in a problem document: "full" and "the engine is away" are both 503."""
    try:
        yield
    except Exception as error:
        # `assay_shared.web` answers a crash with the type of the tree's root.
        PROBLEMS_ANSWERED.labels(error.type if isinstance(error, AssayError) else AssayError.type).inc()
        raise


async def _identify(request: Request, follower: LiveFollower, admin_key_sha256: str) -> Caller:
    """Who calls; a key that is not known yet may be a moment old, so bucket `live` is asked once more."""
    try:
        return identify(request, follower.snapshot, admin_key_sha256)
    except NotAuthenticated:
        await follower.look_around()
        return identify(request, follower.snapshot, admin_key_sha256)


async def _keep(spool: LogSpool, verification: Verification) -> None:
    """Puts the log entry on disk before the answer goes out. A full disk does not stop verifying."""
    try:
        await anyio.to_thread.run_sync(spool.add, verification)
    except OSError:
        UNLOGGED.inc()
        log.exception("verification cannot be logged", verification=verification.model_dump_json())


def _keep_picture(kept: PictureSpool, verification: Verification, picture: bytes) -> None:
    kept.add(verification.brand, verification.id, find_extension(picture), picture)


def _warmer(engine: EngineClient, loop: asyncio.AbstractEventLoop, deadline_seconds: float) -> Any:
    """What has the engine load a version that went live, before the first picture needs it."""

    async def warm(brand: str, version: str) -> None:
        try:
            await engine.detect(Item(brand, version, NO_PICTURE), deadline_seconds)
        except AssayError as error:
            log.warning("model was not warmed", brand=brand, version=version, reason=error.detail)

    def call(brand: str, version: str) -> None:
        asyncio.run_coroutine_threadsafe(warm(brand, version), loop)

    return call
