"""Model versions: judged when they arrive, listed, put live and rolled back."""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import PurePosixPath

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from assay_registry import judging, promotion
from assay_registry.context import Context, ContextDep, PrincipalDep, find_brand
from assay_registry.models import ModelVersionRow, TrainingRunRow
from assay_registry.paging import Paging, paginate
from assay_registry.promotion import find_version
from assay_shared import logs
from assay_shared.auth import Scope
from assay_shared.errors import AssayError, Conflict, NotFound
from assay_shared.keys import MODELS, model_folder
from assay_shared.storage import ObjectStore
from assay_shared.wire import (
    ACTIVE_STATES,
    Live,
    ModelPlace,
    ModelVersion,
    NewLive,
    Page,
    RunState,
)

REPORT_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
"""What browsers may show; anything else is offered for download."""

REPAIR_SECONDS = 600.0
"""How often a process compares the pointers of all brands with the database; also at its first sweep."""

router = APIRouter(prefix="/v1/brands/{brand}", tags=["models"])
internal_router = APIRouter()
log = logs.get_logger(__name__)
_repaired: weakref.WeakKeyDictionary[ObjectStore, float] = weakref.WeakKeyDictionary()


@router.get("/model-versions")
def list_versions(
    context: ContextDep, principal: PrincipalDep, brand: str, paging: Paging
) -> Page[ModelVersion]:
    """The brand's model versions, newest first."""
    principal.require(brand)
    with context.database.session() as session:
        find_brand(session, brand)
        query = select(ModelVersionRow).where(ModelVersionRow.brand == brand)
        rows, cursor = paginate(session, query, ModelVersionRow.run, paging)
    return Page(items=[describe_version(row) for row in rows], next_cursor=cursor)


@router.get("/model-versions/{version}")
def show_version(context: ContextDep, principal: PrincipalDep, brand: str, version: str) -> ModelVersion:
    """One model version."""
    principal.require(brand)
    with context.database.session() as session:
        return describe_version(find_version(session, brand, version))


@router.get("/model-versions/{version}/report/{file:path}", response_class=StreamingResponse)
def read_report(
    context: ContextDep, principal: PrincipalDep, brand: str, version: str, file: str
) -> StreamingResponse:
    """A file of the version's report."""
    principal.require(brand)
    with context.database.session() as session:
        known = find_version(session, brand, version).report
    if file not in known:
        raise NotFound(f"The report of model version {version} has no file {file!r}; it has {known}")
    kind = REPORT_TYPES.get(PurePosixPath(file).suffix)
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}
    if kind is None:
        headers["Content-Disposition"] = "attachment"
    opened = ExitStack()
    stream = opened.enter_context(
        context.store.open(MODELS, model_folder(brand, version) + judging.REPORT + file)
    )

    def send() -> Iterator[bytes]:
        with opened:
            yield from stream.stream(1 << 16)

    return StreamingResponse(send(), headers=headers, media_type=kind or "application/octet-stream")


@router.get("/live")
def show_live(context: ContextDep, principal: PrincipalDep, brand: str) -> Live:
    """Which version judges now; 404 while there is none."""
    principal.require(brand)
    with context.database.session() as session:
        find_brand(session, brand)
    live = promotion.read_truth(context, brand)
    if live is None:
        raise NotFound(f"Brand {brand!r} has no live model version yet")
    return Live(version=live.version, since=live.since)


@router.put("/live")
def put_live(context: ContextDep, principal: PrincipalDep, brand: str, body: NewLive) -> Live:
    """Promotes or rolls back to a version that the gate let pass; 409 with `reasons` for a rejected one."""
    principal.require(brand, Scope.MANAGE)
    with context.database.session() as session:
        row = find_version(session, brand, body.version)
    if row.state == "rejected":
        raise Conflict(
            f"Model version {body.version} was rejected and cannot go live: " + "; ".join(row.reasons),
            reasons=row.reasons,
        )
    judging.put_live(context, row, rollback=True)
    return show_live(context, principal, brand)


@internal_router.get("/awaited-models")
def list_awaited(context: ContextDep) -> list[ModelPlace]:
    """The versions that were packaged but not judged yet."""
    judged = select(ModelVersionRow.run)
    query = select(TrainingRunRow.brand, TrainingRunRow.model_version).where(
        TrainingRunRow.packaged_at.is_not(None),
        TrainingRunRow.state == RunState.EVALUATING.value,
        TrainingRunRow.id.not_in(judged),
    )
    with context.database.session() as session:
        return [ModelPlace(brand=brand, version=version or "") for brand, version in session.execute(query)]


@internal_router.post("/arrived-models")
def judge_arrived(context: ContextDep, place: ModelPlace) -> ModelVersion:
    """A version's `model.json` is there: judges it once, and puts it live when it passes. Idempotent.

    NotFound for a version that no run makes. A model that is not whole fails its run.
    """
    with context.database.session() as session:
        run = _find_run(session, place)
        known = session.get(ModelVersionRow, (place.brand, place.version))
    row = known or judging.judge(context, place, run)
    if row.state == "candidate":
        judging.put_live(context, row, rollback=False)
    with context.database.session() as session:
        return describe_version(find_version(session, place.brand, place.version))


def sweep(context: Context) -> None:
    """Ends what a dead process began: puts candidates live whose run waits for it, repairs pointers (those
    that changed lately, and all of them now and then)."""
    waiting = (
        select(ModelVersionRow)
        .join(TrainingRunRow, TrainingRunRow.id == ModelVersionRow.run)
        .where(ModelVersionRow.state == "candidate", TrainingRunRow.state.in_(ACTIVE_STATES))
    )
    with context.database.session() as session:
        candidates = session.scalars(waiting).all()
    for row in candidates:
        try:
            judging.put_live(context, row, rollback=False)
        except AssayError as error:
            log.warning("candidate not live yet", brand=row.brand, version=row.version, error=error.detail)
    now = time.monotonic()
    everything = now - _repaired.get(context.store, -REPAIR_SECONDS) >= REPAIR_SECONDS
    promotion.repair_pointers(context, everything=everything)
    if everything:
        _repaired[context.store] = now


def describe_version(row: ModelVersionRow) -> ModelVersion:
    """The version as it travels."""
    return ModelVersion.model_validate(
        {
            "version": row.version,
            "brand": row.brand,
            "state": row.state,
            "reasons": row.reasons,
            "run": row.run,
            "dataset_version": row.description["dataset_version"],
            "metrics": row.description["metrics"],
            "description": row.description,
            "report": row.report,
            "created_at": row.created_at,
        }
    )


def _find_run(session: Session, place: ModelPlace) -> TrainingRunRow:
    row = session.scalar(
        select(TrainingRunRow).where(
            TrainingRunRow.brand == place.brand, TrainingRunRow.model_version == place.version
        )
    )
    if row is None:
        raise NotFound(f"No training run makes model version {place.version!r} of brand {place.brand!r}")
    return row
