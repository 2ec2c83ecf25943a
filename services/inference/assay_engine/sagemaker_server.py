"""SageMaker's serving contract: `docker run IMAGE serve` is this module, on port 8080.

`GET /ping` and `POST /invocations` with the very frames that TorchServe gets: brands are data, read from S3.
As a multi-model container it also has SageMaker's `/models`, and each model is one version of one brand.

One process computes, with all cores or the first GPU: instances with several GPUs waste the others. What
reads frames never waits for what computes, so `/ping` is answered in time under any load; it says 503 until
the self-check is over, and when nothing was computed for HANG_SECONDS although something waits.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Literal, TypeVar

import orjson
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from assay_engine import framing
from assay_engine.bucket_models import BucketModels
from assay_engine.loaded_models import LoadedModel, LoadedModels
from assay_engine.service import EngineService, start_runtime
from assay_engine.settings import EngineSettings
from assay_shared import logs
from assay_shared.errors import AssayError, InvalidRequest, TooLarge, Unavailable
from assay_shared.serving import serve

MAX_BODY = 6_291_456
"""Bytes; what SageMaker's runtime takes."""
HANG_SECONDS = 60.0
COMPUTING = 2
"""Requests in work at once: while one computes, another's frame is read and its boxes are written."""
PAGE = 100

log = logs.get_logger(__name__)
T = TypeVar("T")


class ServerSettings(EngineSettings):
    """From the environment, which the endpoint's model has set."""

    model_config = SettingsConfigDict(env_prefix="ASSAY_", env_ignore_empty=True, extra="ignore")

    port: int = Field(default=8080, validation_alias="SAGEMAKER_BIND_TO_PORT")
    sagemaker_region: str = Field(default="", description="of the bucket")
    sagemaker_bucket: str = Field(default="", description="where the live models lie; mode engine")
    sagemaker_prefix: str = Field(default="assay", description="in that bucket")
    sagemaker_endpoint_mode: Literal["engine", "multi-model"] = "engine"


class Server:
    """Everything behind the routes; `start` returns at once, and `ready` says how far it is."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(COMPUTING, thread_name_prefix="compute")
        self._loads = ThreadPoolExecutor(COMPUTING, thread_name_prefix="load")
        self._computed = time.monotonic()
        self._waiting = 0
        self._over = threading.Event()
        self.service: EngineService | None = None
        self.models: LoadedModels | None = None
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Begins the self-check on a thread."""
        threading.Thread(target=self._prepare, name="prepare", daemon=True).start()

    def stop(self) -> None:
        """Ends what was begun."""
        self._over.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._loads.shutdown(wait=False, cancel_futures=True)
        if self.service is not None:
            self.service.engine.close()

    @property
    def ready(self) -> bool:
        """Whether it computes."""
        if self.service is None and self.models is None:
            return False
        return not self._waiting or time.monotonic() - self._computed < HANG_SECONDS

    async def compute(self, work: Callable[[], T]) -> T:
        """Runs what computes, after what was asked before."""
        if not self._waiting:
            self._computed = time.monotonic()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
            self._computed = time.monotonic()

    async def load(self, work: Callable[[], T]) -> T:
        """Runs what loads, beside what computes."""
        return await asyncio.get_running_loop().run_in_executor(self._loads, work)

    def _prepare(self) -> None:
        try:
            settings = self._settings
            choice, budgets = start_runtime(settings)
            if settings.sagemaker_endpoint_mode == "multi-model":
                self.models = LoadedModels(choice.runtime, budgets.resident_bytes)
                log.info("ready for models", bytes=budgets.resident_bytes)
                return
            store = BucketModels(
                settings.sagemaker_region, settings.sagemaker_bucket, settings.sagemaker_prefix
            )
            self.service = EngineService(settings, store, choice, budgets)
            log.info("ready", bucket=settings.sagemaker_bucket, prefix=settings.sagemaker_prefix)
        except BaseException as error:
            self.failure = error
            log.exception("the engine cannot start")


def create_app(settings: ServerSettings) -> Starlette:
    """The app; its engine starts and ends with it."""
    server = Server(settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        server.start()
        yield
        server.stop()

    async def ping(_request: Request) -> Response:
        if server.failure is not None:
            return PlainTextResponse(f"the engine cannot start: {server.failure}", 500)
        return PlainTextResponse("ready" if server.ready else "not ready", 200 if server.ready else 503)

    async def invoke(request: Request) -> Response:
        service = server.service
        if service is None:
            raise Unavailable("The engine is not ready, or this endpoint is multi-model: name a model")
        frame = await _read_frame(request)
        return _frame(await server.compute(lambda: service.answer(frame)))

    async def invoke_model(request: Request) -> Response:
        models, name = _models_of(server), request.path_params["name"]
        frame = await _read_frame(request)
        models.find(name)

        def answer() -> bytes:
            return framing.write_response(models.detect(name, framing.read_request(frame)))

        return _frame(await server.compute(answer))

    async def load_model(request: Request) -> Response:
        models = _models_of(server)
        try:
            body = orjson.loads(await request.body())
            name, url = str(body["model_name"]), str(body["url"])
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise InvalidRequest('Send {"model_name": …, "url": …}') from error
        return JSONResponse(_describe(await server.load(lambda: models.load(name, url))))

    async def list_models(request: Request) -> Response:
        models = _models_of(server).list_all()
        start = _read_number(request, "next_page_token", 0)
        limit = max(1, _read_number(request, "limit", PAGE))
        page = models[start : start + limit]
        more = {"nextPageToken": str(start + limit)} if start + limit < len(models) else {}
        return JSONResponse({"models": [_describe(model) for model in page], **more})

    async def show_model(request: Request) -> Response:
        return JSONResponse(_describe(_models_of(server).find(request.path_params["name"])))

    async def unload_model(request: Request) -> Response:
        _models_of(server).unload(request.path_params["name"])
        return JSONResponse({"status": "unloaded"})

    return Starlette(
        routes=[
            Route("/ping", ping),
            Route("/invocations", invoke, methods=["POST"]),
            Route("/models", list_models, methods=["GET"]),
            Route("/models", load_model, methods=["POST"]),
            Route("/models/{name}", show_model, methods=["GET"]),
            Route("/models/{name}", unload_model, methods=["DELETE"]),
            Route("/models/{name}/invoke", invoke_model, methods=["POST"]),
        ],
        exception_handlers={AssayError: _answer_error},
        lifespan=lifespan,
    )


def main() -> None:
    """Serves until SIGTERM."""
    logs.configure_logs("engine", os.environ.get("ASSAY_LOG_LEVEL", "INFO"))
    settings = ServerSettings()  # from the environment
    if settings.sagemaker_endpoint_mode == "engine" and not settings.sagemaker_bucket:
        raise SystemExit("assay: ASSAY_SAGEMAKER_BUCKET must name the bucket of the live models")
    host = "0.0.0.0"  # noqa: S104  (SageMaker reaches the container by its address)
    serve(create_app(settings), host, settings.port)


async def _read_frame(request: Request) -> bytes:
    """The body. Raises TooLarge."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise TooLarge(f"The body has more than {MAX_BODY} bytes")
    return bytes(body)


def _frame(frame: bytes) -> Response:
    return Response(frame, media_type=framing.CONTENT_TYPE)


def _models_of(server: Server) -> LoadedModels:
    if server.models is None:
        raise Unavailable("The engine is not ready, or this endpoint is not multi-model")
    return server.models


def _describe(model: LoadedModel) -> dict[str, str]:
    return {"modelName": model.name, "modelUrl": model.url}


def _read_number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isdecimal() else default


async def _answer_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AssayError)  # noqa: S101  (registered for this class alone)
    return JSONResponse({"type": error.type, "detail": error.detail}, error.status)


if __name__ == "__main__":
    main()
