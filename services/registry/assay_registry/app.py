"""The registry's web application: its parts put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI

from assay_registry import (
    background,
    brands,
    figures,
    images,
    ingestion,
    keys,
    labels,
    leases,
    metrics,
    model_versions,
    openapi,
    pages,
    products,
    review_pages,
    reviews,
    training_runs,
    uploads,
    verifications,
)
from assay_registry.context import Context, require_service
from assay_registry.database import Database
from assay_registry.migrate import RevisionCheck
from assay_registry.settings import RegistrySettings, get_settings
from assay_shared.queue import TaskQueue
from assay_shared.storage import ObjectStore
from assay_shared.web import install_web

PUBLIC = (
    brands,
    keys,
    products,
    labels,
    uploads,
    images,
    training_runs,
    model_versions,
    verifications,
    reviews,
    figures,
)
INTERNAL = (ingestion, leases, model_versions, verifications)


def create_app(settings: RegistrySettings | None = None) -> FastAPI:
    """The application; settings come from the environment unless given."""
    settings = settings or get_settings()
    context = Context(
        settings=settings,
        database=Database(settings.database_url.get_secret_value()),
        store=ObjectStore(settings.store),
        queue=TaskQueue(settings.broker_url.get_secret_value()),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        worker = background.BackgroundWork(context)
        counting = metrics.Counting(context)
        worker.start()
        counting.start()
        yield
        counting.stop()
        worker.stop()
        context.database.close()

    app = FastAPI(title="Assay", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.context = context
    install_web(
        app,
        "registry",
        {
            "database": context.database.check,
            "revision": RevisionCheck(context.database),
            "store": context.store.check,
        },
    )
    for module in PUBLIC:
        app.include_router(module.router)
    for module in INTERNAL:
        app.include_router(
            module.internal_router,
            prefix="/internal",
            include_in_schema=False,
            dependencies=[Depends(require_service)],
        )
    openapi.install_openapi(app)
    pages.install_pages(app)
    app.include_router(review_pages.router)
    return app
