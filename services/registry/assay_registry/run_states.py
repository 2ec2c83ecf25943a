"""A training run's row: found, described, and moved from state to state. Every change of state is here."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assay_registry.context import Context
from assay_registry.models import BrandRow, DatasetVersionRow, ModelVersionRow, RunEpochRow, TrainingRunRow
from assay_shared import logs
from assay_shared.errors import BrokerUnavailable, Conflict, NotFound
from assay_shared.ids import utc_now
from assay_shared.queue import TRAIN_RUN
from assay_shared.wire import ACTIVE_STATES, Progress, RunState, Shortage, TrainingOptions, TrainingRun

log = logs.get_logger(__name__)

MAX_ATTEMPTS = 5
"""Leases that a run may use up without finishing an epoch; then it has failed."""

_ENDS = {RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED}
# A model may arrive when its worker died before telling: any active run may succeed.
TRANSITIONS: dict[RunState, set[RunState]] = {
    RunState.QUEUED: {RunState.PREPARING} | _ENDS,
    RunState.PREPARING: {RunState.TRAINING, RunState.EVALUATING, RunState.QUEUED} | _ENDS,
    RunState.TRAINING: {RunState.EVALUATING, RunState.QUEUED} | _ENDS,
    RunState.EVALUATING: {RunState.QUEUED} | _ENDS,
    RunState.SUCCEEDED: set(),
    RunState.FAILED: set(),
    RunState.CANCELLED: set(),
}


def is_active(run: TrainingRunRow) -> bool:
    """Whether the run is not over yet."""
    return RunState(run.state) in ACTIVE_STATES


def move(run: TrainingRunRow, state: RunState, reason: str | None = None) -> None:
    """Puts a run into a state, with the reason that people are shown (None: no reason).

    A run that is queued again or over has no lease any more; its token is kept when it is over, so that its
    last owner may still say goodbye. Raises Conflict for a transition that is not in TRANSITIONS.
    """
    if state not in TRANSITIONS[RunState(run.state)]:
        raise Conflict(f"The training run {run.id} is {run.state} and cannot become {state.value}")
    now = utc_now()
    run.state, run.reason = state.value, clean_text(reason) if reason else None
    if state is RunState.QUEUED:
        run.lease_worker = run.lease_token = run.lease_expires_at = None
        run.queued_at = now
    if state in _ENDS:
        run.lease_expires_at = None
        run.finished_at = now


def requeue_or_fail(run: TrainingRunRow, reason: str) -> bool:
    """Queues a run whose owner gave up or died, or fails it when too many did without finishing an epoch.

    Returns whether it is queued: then announce it after the commit.
    """
    if run.attempts >= MAX_ATTEMPTS:
        move(run, RunState.FAILED, f"{reason}; given up after {run.attempts} attempts without progress")
        return False
    move(run, RunState.QUEUED, reason)
    return True


def announce(context: Context, run: str) -> None:
    """Sends the task of a queued run. A broker that is away is no error: the sweep sends it again."""
    try:
        context.queue.send(TRAIN_RUN, run)
    except BrokerUnavailable as error:
        log.warning("run not announced yet", run=run, error=error.detail)


def lock_run(session: Session, run: str) -> TrainingRunRow:
    """The run's row as it is now, held until the transaction ends. Raises NotFound."""
    query = select(TrainingRunRow).where(TrainingRunRow.id == run).with_for_update(key_share=True)
    row = session.scalar(query.execution_options(populate_existing=True))
    if row is None:
        raise NotFound(f"There is no training run {run!r}")
    return row


def lock_brand(session: Session, slug: str) -> BrandRow:
    """The brand's row, held until the transaction ends; before the lock of a run of it, never after.
    Raises NotFound."""
    query = select(BrandRow).where(BrandRow.slug == slug).with_for_update(key_share=True)
    row = session.scalar(query.execution_options(populate_existing=True))
    if row is None:
        raise NotFound(f"There is no brand {slug!r}")
    return row


def describe_run(session: Session, run: TrainingRunRow, *, history: bool = True) -> TrainingRun:
    """The run as it travels."""
    epochs = select(RunEpochRow).where(RunEpochRow.run == run.id).order_by(RunEpochRow.epoch)
    return TrainingRun(
        id=run.id,
        brand=run.brand,
        state=RunState(run.state),
        reason=run.reason,
        options=TrainingOptions.model_validate(run.options),
        progress=Progress.model_validate(run.progress),
        history=[Progress.model_validate(row.progress) for row in session.scalars(epochs)] if history else [],
        metrics=run.metrics,
        warnings=read_warnings(session, run),
        dataset_version=run.dataset_version,
        model_version=run.model_version,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
    )


def read_warnings(session: Session, run: TrainingRunRow) -> list[Shortage]:
    """What the run's photos lack: as its model version says, else as its dataset version."""
    queries = [
        select(ModelVersionRow.description["warnings"]).where(ModelVersionRow.run == run.id),
        select(DatasetVersionRow.manifest["warnings"]).where(DatasetVersionRow.id == run.dataset_version),
    ]
    told: list[Any] = next((found for query in queries if (found := session.scalar(query)) is not None), [])
    return [Shortage.model_validate(warning) for warning in told]


def clean_text(text: str) -> str:
    """Without what PostgreSQL cannot store in a text: NUL, and halves of surrogate pairs."""
    return text.replace("\x00", "").encode(errors="replace").decode()
