"""Leases: which worker owns a training run, what it tells of it, and how it ends."""

from __future__ import annotations

import math
import secrets
from datetime import datetime, timedelta

from fastapi import APIRouter, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from assay_registry.context import Context, ContextDep
from assay_registry.models import DatasetVersionRow, ModelVersionRow, RunEpochRow, RunLogRow, TrainingRunRow
from assay_registry.run_states import (
    announce,
    clean_text,
    is_active,
    lock_run,
    move,
    requeue_or_fail,
)
from assay_shared import logs
from assay_shared.errors import Conflict, LeaseLost
from assay_shared.ids import utc_now
from assay_shared.wire import (
    ACTIVE_STATES,
    DatasetManifest,
    Heartbeat,
    HeartbeatAnswer,
    Lease,
    LeaseRequest,
    Progress,
    Release,
    RunList,
    RunState,
    TrainingOptions,
)

MAX_LINES = 20_000
"""Log lines that one heartbeat may add; a worker holds fewer."""
MAX_RUNS = 1000
"""Runs that one question may name."""
ELSEWHERE = (
    "it was begun as a job in SageMaker and waits for a trainer that can reach it: give the trainer service "
    "its ASSAY_SAGEMAKER_* settings back, or cancel the run"
)
FORWARD = (RunState.QUEUED, RunState.PREPARING, RunState.TRAINING, RunState.EVALUATING)

internal_router = APIRouter(prefix="/training-runs")
log = logs.get_logger(__name__)


@internal_router.post("/over")
def select_over(context: ContextDep, body: RunList) -> RunList:
    """Those of these runs that are over. A run that is unknown here is not: it may be another Assay's."""
    query = select(TrainingRunRow.id).where(
        TrainingRunRow.id.in_(body.runs[:MAX_RUNS]), TrainingRunRow.state.not_in(ACTIVE_STATES)
    )
    with context.database.session() as session:
        return RunList(runs=list(session.scalars(query)))


@internal_router.post("/{run}/lease")
def acquire_lease(context: ContextDep, run: str, body: LeaseRequest) -> Lease:
    """Gives the run to a worker. Conflict when it is over, waits for uploads, another holds it, or it has a
    job in SageMaker, of which this worker knows nothing."""
    now = utc_now()
    _say_who_is_awaited(context, run, body)
    with context.database.session() as session:
        row = lock_run(session, run)
        _check_free(row, now)
        if _is_elsewhere(row, body):
            raise Conflict(f"The training run {run}: {ELSEWHERE}")
        if row.dataset_version is None or row.model_version is None:
            raise Conflict(f"The training run {run} still waits for uploads to be ingested")
        dataset = session.get_one(DatasetVersionRow, row.dataset_version)
        if row.state != RunState.QUEUED:
            move(row, RunState.QUEUED)
        move(row, RunState.PREPARING)
        token = secrets.token_urlsafe(24)
        row.lease_token, row.lease_worker = token, clean_text(body.worker)
        row.lease_expires_at = now + timedelta(seconds=context.settings.lease_seconds)
        row.attempts += 1
        if row.backend != "sagemaker":
            row.backend = body.backends[0]
        row.started_at = row.started_at or now
        live = session.scalar(
            select(ModelVersionRow.version).where(
                ModelVersionRow.brand == row.brand, ModelVersionRow.state == "live"
            )
        )
        lease = Lease(
            run=run,
            brand=row.brand,
            token=token,
            seconds=context.settings.lease_seconds,
            expires_at=row.lease_expires_at,
            model_version=row.model_version,
            options=TrainingOptions.model_validate(row.options),
            dataset=DatasetManifest.model_validate(dataset.manifest),
            live_version=live,
            backend="sagemaker" if row.backend == "sagemaker" else "celery",
        )
        attempts = row.attempts
    log.info("run leased", run=run, worker=body.worker, attempt=attempts)
    return lease


@internal_router.post("/{run}/heartbeat")
def beat(context: ContextDep, run: str, body: Heartbeat) -> HeartbeatAnswer:
    """Renews the lease and keeps what the worker tells. LeaseLost when the token is not the current one; a
    lease that ended but was not taken yet is renewed."""
    with context.database.session() as session:
        row = lock_run(session, run)
        _check_owner(row, body.token)
        row.lease_expires_at = utc_now() + timedelta(seconds=context.settings.lease_seconds)
        if body.state is not None and FORWARD.index(RunState(body.state)) > FORWARD.index(
            RunState(row.state)
        ):
            move(row, RunState(body.state))
        if body.progress is not None:
            _keep_progress(session, row, body.progress)
        session.add_all(RunLogRow(run=run, line=clean_text(line)) for line in body.log[:MAX_LINES])
        return HeartbeatAnswer(cancelled=row.cancel_requested, expires_at=row.lease_expires_at)


@internal_router.post("/{run}/release", status_code=204)
def release_lease(context: ContextDep, run: str, body: Release) -> Response:
    """Ends the lease: the model is packaged, the run failed, was cancelled, or goes back to the queue.

    The same release again is fine as long as nobody else took the run. LeaseLost otherwise.
    """
    with context.database.session() as session:
        row = lock_run(session, run)
        if not is_active(row) and row.lease_token == body.token:
            return Response(status_code=204)
        _check_owner(row, body.token)
        queued = _end(row, body)
    if queued:
        announce(context, run)
    log.info("lease released", run=run, outcome=body.outcome, reason=body.reason)
    return Response(status_code=204)


def _say_who_is_awaited(context: Context, run: str, body: LeaseRequest) -> None:
    """A queued run that its asker cannot go on with says so: nobody else would."""
    with context.database.session() as session:
        row = lock_run(session, run)
        if row.state == RunState.QUEUED and _is_elsewhere(row, body):
            row.reason = ELSEWHERE


def _is_elsewhere(row: TrainingRunRow, body: LeaseRequest) -> bool:
    return row.backend == "sagemaker" and "sagemaker" not in body.backends


def _check_free(row: TrainingRunRow, now: datetime) -> None:
    if not is_active(row):
        raise Conflict(f"The training run {row.id} is over: {row.state}")
    if row.packaged_at is not None:
        raise Conflict(f"The training run {row.id} is packaged and waits for the gate")
    if row.cancel_requested:
        raise Conflict(f"The training run {row.id} is being cancelled")
    if row.lease_token is not None and row.lease_expires_at is not None and row.lease_expires_at >= now:
        raise Conflict(f"The training run {row.id} is held by {row.lease_worker}")


def _check_owner(row: TrainingRunRow, token: str) -> None:
    current = row.lease_token if is_active(row) else None
    if current is None or not secrets.compare_digest(current.encode(), token.encode()):
        raise LeaseLost(f"The training run {row.id} is {row.state} and not yours any more; stop")


def _keep_progress(session: Session, row: TrainingRunRow, progress: Progress) -> None:
    row.progress = _drop_no_numbers(progress).model_dump(mode="json")
    if progress.epoch < 1:
        return
    epoch = session.get(RunEpochRow, (row.id, progress.epoch))
    if epoch is not None:
        epoch.progress = row.progress
        return
    session.add(RunEpochRow(run=row.id, epoch=progress.epoch, progress=row.progress))
    row.attempts = 0


def _drop_no_numbers(progress: Progress) -> Progress:
    """Without NaN and infinity, which losses become when training diverges and PostgreSQL's JSON refuses."""

    def checked(value: float | None) -> float | None:
        return value if value is not None and math.isfinite(value) else None

    losses = {name: value for name, value in progress.losses.items() if math.isfinite(value)}
    figures = {"map50": checked(progress.map50), "seconds_left": checked(progress.seconds_left)}
    return progress.model_copy(update={"losses": losses, **figures})


def _end(row: TrainingRunRow, release: Release) -> bool:
    """Ends the run's lease; returns whether the run is queued again."""
    match release.outcome:
        case "packaged":
            if row.state != RunState.EVALUATING:
                move(row, RunState.EVALUATING)
            row.packaged_at = utc_now()
            row.lease_worker = row.lease_token = row.lease_expires_at = None
        case "failed":
            move(row, RunState.FAILED, release.reason or "the trainer gave no reason")
        case "cancelled":
            move(row, RunState.CANCELLED, release.reason or "cancelled by the brand")
        case "requeue" if row.cancel_requested:
            move(row, RunState.CANCELLED, "cancelled by the brand")
        case "requeue":
            return requeue_or_fail(row, release.reason or "the trainer gave the run back")
    return False
