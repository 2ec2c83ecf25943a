"""Training runs: started by "the brand has finished", watched, cancelled; and what is overdue swept up."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy import Select, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sse_starlette import EventSourceResponse

from assay_registry import datasets, pairing
from assay_registry.context import Context, ContextDep, PrincipalDep, find_brand
from assay_registry.idempotency import IdempotencyKey, make_fingerprint, replay_or_run
from assay_registry.models import RunLogRow, TrainingRunRow
from assay_registry.paging import Paging, paginate
from assay_registry.run_events import PING_SECONDS, stream_run
from assay_registry.run_states import (
    announce,
    describe_run,
    is_active,
    lock_brand,
    lock_run,
    move,
    requeue_or_fail,
)
from assay_shared import logs
from assay_shared.auth import Scope
from assay_shared.errors import AssayError, Conflict, InvalidRequest, NotFound
from assay_shared.ids import new_id, utc_now
from assay_shared.wire import ACTIVE_STATES, NewTrainingRun, Page, RunState, TrainingOptions, TrainingRun

PENDING_POLL_SECONDS = 0.25
ANNOUNCED_AGAIN = timedelta(seconds=60)
"""After this long in the queue a run's task is sent again: the broker may have lost it."""

ACTIVE = [state.value for state in ACTIVE_STATES]

router = APIRouter(prefix="/v1/brands/{brand}/training-runs", tags=["training"])
log = logs.get_logger(__name__)


@router.post("", status_code=202, response_model=TrainingRun)
def finish_brand(
    request: Request,
    context: ContextDep,
    principal: PrincipalDep,
    brand: str,
    body: NewTrainingRun | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """The brand has finished: waits for its uploads to be ingested, freezes a dataset version, queues a run.

    409 while a run is active; 422 with `missing` when the images do not suffice. Uploads that take longer
    than the wait: the run waits for them and its reason says so.
    """
    principal.require(brand, Scope.TRAIN)
    options = (body or NewTrainingRun()).options
    return replay_or_run(
        context,
        idempotency_key,
        principal,
        make_fingerprint(request, body),
        lambda: (202, _start_run(context, brand, options)),
    )


@router.get("")
def list_runs(context: ContextDep, principal: PrincipalDep, brand: str, paging: Paging) -> Page[TrainingRun]:
    """The brand's runs, newest first, without their histories."""
    principal.require(brand)
    with context.database.session() as session:
        find_brand(session, brand)
        query = select(TrainingRunRow).where(TrainingRunRow.brand == brand)
        rows, cursor = paginate(session, query, TrainingRunRow.id, paging)
        return Page(items=[describe_run(session, row, history=False) for row in rows], next_cursor=cursor)


@router.get("/{run}")
def show_run(context: ContextDep, principal: PrincipalDep, brand: str, run: str) -> TrainingRun:
    """One run with its history."""
    principal.require(brand)
    with context.database.session() as session:
        return describe_run(session, _find_run(session, brand, run))


@router.get(
    "/{run}/events",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "events named `run`"}},
)
def watch_run(context: ContextDep, principal: PrincipalDep, brand: str, run: str) -> EventSourceResponse:
    """Server-sent events: `event: run` with the run as JSON, on each change until it is over."""
    principal.require(brand)
    with context.database.session() as session:
        _find_run(session, brand, run)
    return EventSourceResponse(
        stream_run(context, run), sep="\n", ping=PING_SECONDS, headers={"Cache-Control": "no-store"}
    )


@router.get("/{run}/log", response_class=PlainTextResponse)
def read_log(context: ContextDep, principal: PrincipalDep, brand: str, run: str) -> PlainTextResponse:
    """The run's log, a line each with the time (UTC) at which it arrived."""
    principal.require(brand)
    with context.database.session() as session:
        _find_run(session, brand, run)
        lines = session.execute(
            select(RunLogRow.at, RunLogRow.line).where(RunLogRow.run == run).order_by(RunLogRow.id)
        )
        text = "".join(f"{at:%Y-%m-%dT%H:%M:%SZ} {line}\n" for at, line in lines)
    return PlainTextResponse(text, headers={"X-Content-Type-Options": "nosniff"})


@router.delete("/{run}")
def cancel_run(context: ContextDep, principal: PrincipalDep, brand: str, run: str) -> TrainingRun:
    """Cancels: a run that nobody works on at once, any other as soon as its worker hears of it."""
    principal.require(brand, Scope.TRAIN)
    with context.database.session() as session:
        _find_run(session, brand, run)
        row = lock_run(session, run)
        if row.state in {RunState.SUCCEEDED, RunState.FAILED}:
            raise Conflict(f"The training run {run} has {row.state} already; there is nothing to cancel")
        if is_active(row):
            row.cancel_requested = True
            if row.lease_token is None:
                move(row, RunState.CANCELLED, "cancelled by the brand")
        return describe_run(session, row)


def sweep(context: Context) -> None:
    """Moves on what nobody else does: waiting runs, ended leases, cancelled runs, tasks that got lost.

    Each run in a transaction of its own, so several registries may sweep at once.
    """
    now = utc_now()
    with context.database.session() as session:
        active = select(TrainingRunRow.id).where(TrainingRunRow.state.in_(ACTIVE))
        expired = active.where(TrainingRunRow.lease_expires_at < now)
        unleased = active.where(TrainingRunRow.lease_token.is_(None))
        queued = unleased.where(TrainingRunRow.state == RunState.QUEUED.value)
        stale = queued.where(
            TrainingRunRow.dataset_version.is_not(None),
            or_(TrainingRunRow.queued_at.is_(None), TrainingRunRow.queued_at < now - ANNOUNCED_AGAIN),
        )
        queries: list[tuple[Callable[[Context, str], None], Select[str]]] = [
            (_end_lease, expired),
            (_cancel, unleased.where(TrainingRunRow.cancel_requested)),
            (_freeze_if_ingested, queued.where(TrainingRunRow.dataset_version.is_(None))),
            (_announce_again, stale),
        ]
        found = [(job, session.scalars(query).all()) for job, query in queries]
    for job, runs in found:
        for run in runs:
            try:
                job(context, run)
            except AssayError as error:
                log.warning("run not swept", job=job.__name__, run=run, error=error.detail)


def _start_run(context: Context, brand: str, options: TrainingOptions) -> TrainingRun:
    with context.database.session() as session:
        find_brand(session, brand)
        _refuse_second(session, brand)
    pending = _wait_until_ingested(context, brand)
    if not pending:
        pairing.quarantine_unpaired(context, brand)
    try:
        with context.database.session() as session:
            row = lock_brand(session, brand)
            _refuse_second(session, brand)
            run = TrainingRunRow(
                id=new_id("run"),
                brand=brand,
                state=RunState.QUEUED.value,
                reason=_say_waiting(pending) if pending else None,
                options=options.model_dump(mode="json"),
                progress={"epochs": options.epochs or 0},
                dataset_version=None if pending else datasets.freeze_dataset(session, row).id,
                model_version=_next_version(session, brand),
                queued_at=utc_now(),
            )
            session.add(run)
            session.flush()
            answer = describe_run(session, run)
    except IntegrityError as error:
        raise Conflict(f"Brand {brand!r} has an active training run already") from error
    if not pending:
        announce(context, answer.id)
    return answer


def _refuse_second(session: Session, brand: str) -> None:
    active = session.scalar(
        select(TrainingRunRow.id).where(TrainingRunRow.brand == brand, TrainingRunRow.state.in_(ACTIVE))
    )
    if active is not None:
        raise Conflict(
            f"Brand {brand!r} has the active training run {active}; wait for its end or cancel it", run=active
        )


def _wait_until_ingested(context: Context, brand: str) -> int:
    """How many uploads are still to be ingested when the wait is over: 0 as soon as there are none."""
    deadline = time.monotonic() + context.settings.finish_wait_seconds
    while (pending := pairing.count_pending(context, brand)) and time.monotonic() < deadline:
        time.sleep(PENDING_POLL_SECONDS)
    return pending


def _say_waiting(pending: int) -> str:
    return f"waiting for {pending} upload{'' if pending == 1 else 's'} to be ingested"


def _next_version(session: Session, brand: str) -> str:
    """`v1`, `v2`, …: one more than any run of the brand ever had. Call with the brand's row locked."""
    used = session.scalars(select(TrainingRunRow.model_version).where(TrainingRunRow.brand == brand))
    return f"v{max((int(version[1:]) for version in used if version), default=0) + 1}"


def _find_run(session: Session, brand: str, run: str) -> TrainingRunRow:
    row = session.get(TrainingRunRow, run)
    if row is None or row.brand != brand:
        raise NotFound(f"Brand {brand!r} has no training run {run!r}")
    return row


def _end_lease(context: Context, run: str) -> None:
    with context.database.session() as session:
        row = lock_run(session, run)
        if not is_active(row) or row.lease_expires_at is None or row.lease_expires_at >= utc_now():
            return
        if row.cancel_requested:
            move(row, RunState.CANCELLED, "cancelled by the brand")
            return
        queued = requeue_or_fail(row, f"the trainer {row.lease_worker} has not been heard of")
    if queued:
        log.warning("lease ended, run queued again", run=run)
        announce(context, run)


def _cancel(context: Context, run: str) -> None:
    with context.database.session() as session:
        row = lock_run(session, run)
        if is_active(row) and row.cancel_requested and row.lease_token is None:
            move(row, RunState.CANCELLED, "cancelled by the brand")


def _freeze_if_ingested(context: Context, run: str) -> None:
    with context.database.session() as session:
        brand = lock_run(session, run).brand
    pending = pairing.count_pending(context, brand)
    if not pending:
        pairing.quarantine_unpaired(context, brand)
    with context.database.session() as session:
        brand_row = lock_brand(session, brand)
        row = lock_run(session, run)
        if row.state != RunState.QUEUED or row.dataset_version is not None:
            return
        if pending:
            row.reason = _say_waiting(pending)
            return
        try:
            row.dataset_version = datasets.freeze_dataset(session, brand_row).id
        except InvalidRequest as error:
            move(row, RunState.FAILED, error.detail)
            return
        row.reason, row.queued_at = None, utc_now()
    announce(context, run)


def _announce_again(context: Context, run: str) -> None:
    now = utc_now()
    with context.database.session() as session:
        row = lock_run(session, run)
        if row.state != RunState.QUEUED or (row.queued_at and row.queued_at >= now - ANNOUNCED_AGAIN):
            return
        row.queued_at = now
    announce(context, run)
