"""What the registry counts of its database."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from sqlalchemy import update

from assay_registry import metrics
from assay_registry.app import create_app
from assay_registry.models import BrandRow, TrainingRunRow
from assay_registry.settings import RegistrySettings
from assay_shared.errors import Unavailable
from assay_shared.ids import utc_now
from tests.integration.registry.learning import finish, lease, teach
from tests.integration.registry.support import Registry, TestClient, both_databases
from tests.support.waiting import wait_until


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


@both_databases
def test_rows_are_counted_by_state(registry: Registry) -> None:
    metrics.count(registry.context)
    assert value("assay_registry_database_up") == 1
    assert value("assay_training_runs", state="failed") == 0
    assert value("assay_training_queue_oldest_seconds", waits_for="trainer") == 0
    assert (value("assay_brands", published="yes"), value("assay_brands", published="no")) == (1, 0)
    with registry.context.database.session() as session:
        session.execute(update(BrandRow).values(revision=BrandRow.revision + 1))
    metrics.count(registry.context)
    assert (value("assay_brands", published="yes"), value("assay_brands", published="no")) == (0, 1)
    teach(registry, 12)
    run = finish(registry)["id"]
    with registry.context.database.session() as session:
        made = utc_now() - timedelta(hours=2)
        session.execute(update(TrainingRunRow).where(TrainingRunRow.id == run).values(created_at=made))
    metrics.count(registry.context)
    assert value("assay_images", state="accepted") == 12
    assert value("assay_images", state="quarantined") == 0
    assert value("assay_training_runs", state="queued") == 1
    assert value("assay_training_queue_oldest_seconds", waits_for="trainer") == pytest.approx(7200, abs=60)
    assert value("assay_training_queue_oldest_seconds", waits_for="uploads") == 0
    assert value("assay_model_versions", state="live") == 0
    lease(registry, run)
    metrics.count(registry.context)
    assert value("assay_training_runs", state="queued") == 0
    assert value("assay_training_runs", state="preparing") == 1
    assert value("assay_training_queue_oldest_seconds", waits_for="trainer") == 0


def test_a_run_that_waits_for_uploads_is_told_apart(registry: Registry) -> None:
    registry.put_raw("late.jpg", b"late")
    finish(registry)
    time.sleep(0.01)
    metrics.count(registry.context)
    assert (value("assay_training_queue_oldest_seconds", waits_for="uploads") or 0) > 0
    assert value("assay_training_queue_oldest_seconds", waits_for="trainer") == 0


def test_a_database_that_is_away_leaves_no_counts(registry: Registry, settings: RegistrySettings) -> None:
    metrics.count(registry.context)
    away = settings.model_copy(
        update={"database_url": SecretStr("postgresql+psycopg://assay:x@127.0.0.1:9/assay")}
    )
    broken = create_app(away).state.context
    with pytest.raises(Unavailable):
        metrics.count(broken)
    assert value("assay_registry_database_up") == 0
    assert value("assay_training_runs", state="queued") is None
    assert value("assay_brands", published="no") is None
    metrics.count(registry.context)
    assert value("assay_training_runs", state="queued") == 0


def test_a_served_registry_counts_by_itself(settings: RegistrySettings) -> None:
    metrics.RUNS.clear()
    with TestClient(create_app(settings)) as client:
        wait_until(
            lambda: 'assay_training_runs{state="queued"} 0.0' in client.get("/metrics").text,
            what="the runs are counted",
        )
