"""What the registry counts of its database, for `/metrics`.

A thread counts, not the scrape: `/metrics` is answered on the event loop, and a database that hangs must
not hang every request with it. A database that does not answer is told by `assay_registry_database_up`
alone: the counts are gone until it answers, for an old count looks like a healthy one. Every replica counts
the same rows, so take the maximum over replicas, never the sum.
"""

from __future__ import annotations

import itertools
import threading
from datetime import datetime
from enum import StrEnum

from prometheus_client import Gauge
from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from assay_registry.brand_metrics import count_brands
from assay_registry.context import Context
from assay_registry.models import BrandRow, FileRow, ImageRow, ModelVersionRow, TrainingRunRow
from assay_shared import logs
from assay_shared.errors import AssayError
from assay_shared.ids import utc_now
from assay_shared.wire import RunState

COUNT_SECONDS = 15.0
"""Pause between two counts: Prometheus asks as often (deploy/observability/prometheus.yml), and the counts of
images and files read whole indexes."""

BRANDS_EVERY = 4
"""Counts after which the brands' figures are read again: every minute, for they take more queries and move
slowly."""

RUNS = Gauge("assay_training_runs", "training runs, by state", ["state"])
OLDEST_QUEUED = Gauge(
    "assay_training_queue_oldest_seconds",
    "seconds since the oldest queued training run was made, by what it waits for; 0: none waits",
    ["waits_for"],
)
IMAGES = Gauge("assay_images", "images, by state", ["state"])
FILES = Gauge("assay_upload_files", "files of all uploads, by state", ["state"])
MODEL_VERSIONS = Gauge("assay_model_versions", "model versions, by state", ["state"])
BRANDS = Gauge("assay_brands", "brands, by whether bucket `live` has their latest change", ["published"])
DATABASE_UP = Gauge("assay_registry_database_up", "whether the database answered the last count")

TAKEN_IN = ("received", "accepted", "quarantined")
JUDGED = ("candidate", "live", "retired", "rejected")

log = logs.get_logger(__name__)


class WaitsFor(StrEnum):
    """What a queued training run waits for."""

    UPLOADS = "uploads"
    """That what was uploaded is ingested: its dataset version is not frozen yet."""
    TRAINER = "trainer"
    """That a worker takes its lease."""


class Counting:
    """Counts every COUNT_SECONDS on a thread of its own until stopped; errors are logged and the next count
    tries again."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        """Begins with a count at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the count that runs."""
        self._stopped.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        for round_ in itertools.count():
            if self._stopped.is_set():
                return
            try:
                count(self._context)
                if round_ % BRANDS_EVERY == 0:
                    count_brands(self._context)
            except AssayError as error:
                log.warning("rows cannot be counted", error=error.detail)
            except Exception:
                log.exception("counting crashed")
            self._stopped.wait(COUNT_SECONDS)


def count(context: Context) -> None:
    """Reads the database once and sets every gauge. Raises Unavailable when the database does not answer."""
    try:
        with context.database.session() as session:
            found = [
                (RUNS, _count_states(session, TrainingRunRow.state, tuple(RunState))),
                (OLDEST_QUEUED, _measure_queue(session, utc_now())),
                (IMAGES, _count_states(session, ImageRow.state, TAKEN_IN)),
                (FILES, _count_states(session, FileRow.state, TAKEN_IN)),
                (MODEL_VERSIONS, _count_states(session, ModelVersionRow.state, JUDGED)),
                (BRANDS, _count_brands(session)),
            ]
    except Exception:
        DATABASE_UP.set(0)
        for gauge in (RUNS, OLDEST_QUEUED, IMAGES, FILES, MODEL_VERSIONS, BRANDS):
            gauge.clear()
        raise
    for gauge, values in found:
        for label, value in values.items():
            gauge.labels(label).set(value)
    DATABASE_UP.set(1)


def _count_states(
    session: Session, column: InstrumentedAttribute[str], states: tuple[str, ...]
) -> dict[str, float]:
    """Rows by state; every state is there, for a series that appears with its first row has no increase."""
    rows = session.execute(select(column, func.count()).group_by(column)).all()
    return {**dict.fromkeys(states, 0.0), **{state: float(number) for state, number in rows}}


def _measure_queue(session: Session, now: datetime) -> dict[str, float]:
    # Not `queued_at`: it is set anew whenever the run is announced again.
    queued = select(func.min(TrainingRunRow.created_at)).where(TrainingRunRow.state == RunState.QUEUED.value)
    frozen = TrainingRunRow.dataset_version.is_not(None)
    oldest = {
        WaitsFor.UPLOADS: session.scalar(queued.where(~frozen)),
        WaitsFor.TRAINER: session.scalar(queued.where(frozen)),
    }
    return {
        str(waits_for): max(0.0, (now - made).total_seconds()) if made else 0.0
        for waits_for, made in oldest.items()
    }


def _count_brands(session: Session) -> dict[str, float]:
    brands = session.scalar(select(func.count()).select_from(BrandRow)) or 0
    behind = BrandRow.published_revision < BrandRow.revision
    waiting = session.scalar(select(func.count()).select_from(BrandRow).where(behind)) or 0
    return {"yes": float(brands - waiting), "no": float(waiting)}
