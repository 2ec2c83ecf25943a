"""Model versions: judged when they arrive, listed, put live and rolled back."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import Any

import orjson
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from assay_registry import gate, promotion
from assay_registry.context import Context, ContextDep, PrincipalDep, find_brand
from assay_registry.models import ModelVersionRow, TrainingRunRow
from assay_registry.paging import Paging, paginate
from assay_registry.promotion import find_version
from assay_registry.run_states import is_active, lock_brand, lock_run, move
from assay_shared import logs
from assay_shared.auth import Scope
from assay_shared.errors import AssayError, Conflict, InvalidRequest, NotFound
from assay_shared.keys import MODELS, model_folder, model_json_key
from assay_shared.model_description import ModelDescription
from assay_shared.storage import ObjectStore
from assay_shared.wire import (
    ACTIVE_STATES,
    BrandSettings,
    Live,
    ModelPlace,
    ModelVersion,
    NewLive,
    Page,
    RunState,
)

REPORT = "report/"
MAX_DESCRIPTION_BYTES = 64 << 20
REPORT_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
"""What browsers may show; anything else is offered for download."""

router = APIRouter(prefix="/v1/brands/{brand}", tags=["models"])
internal_router = APIRouter()
log = logs.get_logger(__name__)
_repaired: weakref.WeakSet[ObjectStore] = weakref.WeakSet()


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
    stream = opened.enter_context(context.store.open(MODELS, model_folder(brand, version) + REPORT + file))

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
    _put_live(context, row, rollback=True)
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
    row = known or _judge(context, place, run)
    if row.state == "candidate":
        _put_live(context, row, rollback=False)
    with context.database.session() as session:
        return describe_version(find_version(session, place.brand, place.version))


def sweep(context: Context) -> None:
    """Ends what a dead process began: puts candidates live whose run waits for it, repairs pointers (all at
    this process' first sweep, then those that changed lately)."""
    waiting = (
        select(ModelVersionRow)
        .join(TrainingRunRow, TrainingRunRow.id == ModelVersionRow.run)
        .where(ModelVersionRow.state == "candidate", TrainingRunRow.state.in_(ACTIVE_STATES))
    )
    with context.database.session() as session:
        candidates = session.scalars(waiting).all()
    for row in candidates:
        try:
            _put_live(context, row, rollback=False)
        except AssayError as error:
            log.warning("candidate not live yet", brand=row.brand, version=row.version, error=error.detail)
    promotion.repair_pointers(context, everything=context.store not in _repaired)
    _repaired.add(context.store)


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


def _judge(context: Context, place: ModelPlace, run: TrainingRunRow) -> ModelVersionRow:
    """Records the version as a candidate, or as rejected with reasons."""
    try:
        document, description = _read_description(context, place, run)
    except InvalidRequest as error:
        _fail_run(context, run.id, error.detail)
        raise
    with context.database.session() as session:
        brand = lock_brand(session, place.brand)
        known = session.get(ModelVersionRow, (place.brand, place.version))
        if known is not None:
            return known
        locked = lock_run(session, run.id)
        reasons = _find_obstacle(locked)
        if not reasons:
            reasons = gate.judge(BrandSettings.model_validate(brand.settings).gate, description)
        row = ModelVersionRow(
            brand=place.brand,
            version=place.version,
            run=run.id,
            state="rejected" if reasons else "candidate",
            reasons=reasons,
            description=document,
            report=sorted(name.removeprefix(REPORT) for name in description.files if name.startswith(REPORT)),
        )
        session.add(row)
        locked.metrics = document["metrics"]
        if reasons and is_active(locked):
            _end_run(locked, reasons)
    log.info("model judged", brand=place.brand, version=place.version, state=row.state, reasons=reasons)
    return row


def _put_live(context: Context, row: ModelVersionRow, *, rollback: bool) -> None:
    """Puts a version live that passed; its run has succeeded then. Without `rollback` only a candidate: one
    that was live already is left where the brand put it."""
    promotion.copy_served_files(context, row.brand, row.version)
    with context.database.session() as session:
        lock_brand(session, row.brand)
        current = find_version(session, row.brand, row.version)
        if current.state == "candidate":
            run = lock_run(session, current.run)
            reasons = _find_obstacle(run)
            if reasons and not rollback:
                current.state, current.reasons = "rejected", reasons
                return
            if is_active(run):
                _end_run(run, [])
        elif not rollback:
            return
        promotion.make_live(session, current)
    promotion.point(context, row.brand)
    log.info("model live", brand=row.brand, version=row.version)


def _find_obstacle(run: TrainingRunRow) -> list[str]:
    """Why no model of this run goes live by itself, whatever its figures."""
    if run.cancel_requested or run.state == RunState.CANCELLED:
        return ["the training run was cancelled"]
    if run.state == RunState.FAILED:
        return [f"the training run had failed: {run.reason}"]
    return []


def _end_run(run: TrainingRunRow, reasons: list[str]) -> None:
    """The run of a judged version is over; it has succeeded even when the gate did not let its model pass."""
    if run.cancel_requested:
        move(run, RunState.CANCELLED, "cancelled by the brand")
    else:
        move(run, RunState.SUCCEEDED, f"not live: {'; '.join(reasons)}" if reasons else None)


def _fail_run(context: Context, run: str, reason: str) -> None:
    with context.database.session() as session:
        row = lock_run(session, run)
        if is_active(row):
            move(row, RunState.FAILED, reason)


def _read_description(
    context: Context, place: ModelPlace, run: TrainingRunRow
) -> tuple[dict[str, Any], ModelDescription]:
    """The version's model.json, as it is and as it is understood. Raises NotFound when it is not there,
    InvalidRequest when it cannot be that of this run, or a file that it names is missing."""
    key = model_json_key(place.brand, place.version)
    data = context.store.get(MODELS, key, MAX_DESCRIPTION_BYTES)
    try:
        document: dict[str, Any] = orjson.loads(data)
        description = ModelDescription.model_validate(document)
    except (orjson.JSONDecodeError, ValidationError) as error:
        what = error.errors()[0] if isinstance(error, ValidationError) else error
        raise InvalidRequest(f"The model description {key} cannot be read: {what}") from error
    said = (description.brand, description.version, description.run)
    if said != (place.brand, place.version, run.id):
        raise InvalidRequest(f"The model description {key} is that of another model: it says {said}")
    folder = model_folder(place.brand, place.version)
    absent = [name for name in description.files if context.store.stat(MODELS, folder + name) is None]
    if absent:
        raise InvalidRequest(
            f"The model version is not whole: {', '.join(absent[:5])} of {folder} is missing in the store"
        )
    return document, description
