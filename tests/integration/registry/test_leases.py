"""Leases: one owner at a time, progress kept, runs that come back after their worker died."""

from __future__ import annotations

import json
import math
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from assay_registry import training_runs
from assay_registry.models import RunEpochRow, TrainingRunRow
from assay_registry.run_states import MAX_ATTEMPTS, TRANSITIONS, move
from assay_shared.errors import Conflict
from assay_shared.ids import utc_now
from assay_shared.wire import ACTIVE_STATES, RunState
from tests.integration.registry.learning import finish, lease, read_run, release, teach
from tests.integration.registry.support import Registry, both_databases


@pytest.fixture
def run(registry: Registry) -> str:
    """A queued run."""
    teach(registry, 12)
    found: str = finish(registry)["id"]
    return found


def beat(registry: Registry, run: str, token: str, **told: Any) -> Any:
    body = {"token": token, **told}
    return registry.service.post(f"/internal/training-runs/{run}/heartbeat", json=body)


def progress(epoch: int, loss: float = 1.5) -> dict[str, Any]:
    return {"epoch": epoch, "epochs": 9, "losses": {"box": loss}, "map50": 0.5, "seconds_left": 60}


def let_expire(registry: Registry, run: str) -> None:
    with registry.context.database.session() as session:
        session.execute(
            update(TrainingRunRow)
            .where(TrainingRunRow.id == run)
            .values(lease_expires_at=utc_now() - timedelta(seconds=1))
        )


@both_databases
def test_of_many_workers_that_ask_at_once_one_gets_the_run(registry: Registry, run: str) -> None:
    together = threading.Barrier(6)
    statuses: list[int] = []

    def ask(number: int) -> None:
        together.wait()
        answer = registry.service.post(f"/internal/training-runs/{run}/lease", json={"worker": f"w{number}"})
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 409, 409, 409, 409, 409]


def test_a_lease_says_all_that_a_worker_needs(registry: Registry, run: str) -> None:
    leased = lease(registry, run)
    assert (leased["run"], leased["brand"], leased["model_version"]) == (run, registry.brand, "v1")
    assert leased["live_version"] is None
    assert leased["seconds"] == registry.context.settings.lease_seconds
    assert leased["options"]["architecture"] == "yolov5nu"
    assert len(leased["dataset"]["items"]) == 12
    assert read_run(registry, run)["state"] == "preparing"
    assert read_run(registry, run)["started_at"] is not None


@both_databases
def test_heartbeats_keep_progress_history_and_log(registry: Registry, run: str) -> None:
    token = lease(registry, run)["token"]
    for epoch in (1, 2, 2):
        told = {"state": "training", "progress": progress(epoch, 3 - epoch), "log": [f"epoch {epoch}"]}
        assert beat(registry, run, token, **told).status_code == 200
    found = read_run(registry, run)
    assert found["state"] == "training"
    assert found["progress"] == progress(2, 1)
    assert found["history"] == [progress(1, 2), progress(2, 1)]
    log = registry.client.get(f"{registry.address}/training-runs/{run}/log").text
    assert [line.split(" ", 1)[1] for line in log.splitlines()] == ["epoch 1", "epoch 2", "epoch 2"]


@both_databases
def test_losses_that_are_no_numbers_are_left_out_and_the_lease_goes_on(registry: Registry, run: str) -> None:
    token = lease(registry, run)["token"]
    body = json.dumps({"token": token, "progress": progress(1, math.nan) | {"map50": math.inf}})
    address, kind = f"/internal/training-runs/{run}/heartbeat", {"Content-Type": "application/json"}
    assert registry.service.post(address, content=body, headers=kind).status_code == 200
    assert read_run(registry, run)["history"] == [progress(1) | {"losses": {}, "map50": None}]


def test_the_state_moves_forward_only(registry: Registry, run: str) -> None:
    token = lease(registry, run)["token"]
    for told, seen in (("evaluating", "evaluating"), ("training", "evaluating"), (None, "evaluating")):
        assert beat(registry, run, token, state=told).status_code == 200
        assert read_run(registry, run)["state"] == seen


def test_a_lease_that_ended_untaken_is_renewed(registry: Registry, run: str) -> None:
    token = lease(registry, run)["token"]
    let_expire(registry, run)
    answer = beat(registry, run, token)
    assert answer.status_code == 200
    training_runs.sweep(registry.context)
    assert read_run(registry, run)["state"] == "preparing"


def test_a_run_whose_worker_died_goes_to_another_and_the_first_must_stop(
    registry: Registry, run: str
) -> None:
    first = lease(registry, run, "first")["token"]
    beat(registry, run, first, state="training", progress=progress(1))
    let_expire(registry, run)
    training_runs.sweep(registry.context)
    requeued = read_run(registry, run)
    assert requeued["state"] == "queued"
    assert "the trainer first has not been heard of" in requeued["reason"]
    second = lease(registry, run, "second")["token"]
    assert read_run(registry, run)["reason"] is None
    for answer in (beat(registry, run, first), beat(registry, run, "guess")):
        assert answer.status_code == 409
        assert answer.json()["type"].endswith("lease-lost")
    assert release(registry, run, first, "failed", "too late") == 409
    assert beat(registry, run, second).status_code == 200
    assert read_run(registry, run)["history"] == [progress(1)]


def test_an_ended_lease_may_be_taken_before_the_sweep(registry: Registry, run: str) -> None:
    first = lease(registry, run, "first")["token"]
    let_expire(registry, run)
    second = lease(registry, run, "second")["token"]
    assert beat(registry, run, first).status_code == 409
    assert beat(registry, run, second).status_code == 200


def test_a_run_that_never_gets_through_an_epoch_fails(registry: Registry, run: str) -> None:
    for attempt in range(MAX_ATTEMPTS):
        assert read_run(registry, run)["state"] == "queued", attempt
        lease(registry, run)
        let_expire(registry, run)
        training_runs.sweep(registry.context)
    failed = read_run(registry, run)
    assert failed["state"] == "failed"
    assert f"given up after {MAX_ATTEMPTS} attempts without progress" in failed["reason"]


def test_an_epoch_of_progress_gives_a_run_new_attempts(registry: Registry, run: str) -> None:
    for epoch in range(1, MAX_ATTEMPTS + 3):
        token = lease(registry, run)["token"]
        beat(registry, run, token, progress=progress(epoch))
        assert release(registry, run, token, "requeue", "the trainer was stopped") == 204
    assert read_run(registry, run)["state"] == "queued"
    for _ in range(MAX_ATTEMPTS):
        token = lease(registry, run)["token"]
        beat(registry, run, token, progress=progress(1))
        release(registry, run, token, "requeue", "killed (SIGKILL)")
    assert read_run(registry, run)["state"] == "failed"


def test_a_run_that_was_given_back_keeps_the_reason(registry: Registry, run: str) -> None:
    token = lease(registry, run)["token"]
    assert release(registry, run, token, "requeue", "the trainer was stopped") == 204
    found = read_run(registry, run)
    assert (found["state"], found["reason"]) == ("queued", "the trainer was stopped")


def test_a_cancelled_run_that_is_given_back_is_cancelled(registry: Registry, run: str) -> None:
    token = lease(registry, run)["token"]
    registry.client.delete(f"{registry.address}/training-runs/{run}")
    release(registry, run, token, "requeue", "the trainer was stopped")
    assert read_run(registry, run)["state"] == "cancelled"


def test_saying_goodbye_twice_is_fine(registry: Registry, run: str) -> None:
    token = lease(registry, run)["token"]
    assert release(registry, run, token, "failed", "the training process failed") == 204
    assert release(registry, run, token, "failed", "the training process failed") == 204
    assert release(registry, run, "other", "failed", "no") == 409
    assert beat(registry, run, token).status_code == 409


def test_a_packaged_run_is_not_leased_again(registry: Registry, run: str) -> None:
    token = lease(registry, run)["token"]
    assert release(registry, run, token, "packaged") == 204
    assert read_run(registry, run)["state"] == "evaluating"
    answer = registry.service.post(f"/internal/training-runs/{run}/lease", json={"worker": "w"})
    assert answer.status_code == 409
    training_runs.sweep(registry.context)
    assert read_run(registry, run)["state"] == "evaluating"


def test_an_unknown_run_and_a_stranger_are_refused(registry: Registry, run: str) -> None:
    for route, body in (("lease", {"worker": "w"}), ("heartbeat", {"token": "t"})):
        assert registry.service.post(f"/internal/training-runs/run_x/{route}", json=body).status_code == 404
        assert registry.client.post(f"/internal/training-runs/{run}/{route}", json=body).status_code == 401


def test_history_survives_in_the_order_of_epochs(registry: Registry, run: str) -> None:
    token = lease(registry, run)["token"]
    for epoch in (3, 1, 2):
        beat(registry, run, token, progress=progress(epoch))
    with registry.context.database.session() as session:
        assert len(session.scalars(select(RunEpochRow)).all()) == 3
    assert [entry["epoch"] for entry in read_run(registry, run)["history"]] == [1, 2, 3]


@pytest.mark.parametrize("state", list(RunState))
@pytest.mark.parametrize("target", list(RunState))
def test_only_the_transitions_of_the_table_are_made(state: RunState, target: RunState) -> None:
    row = TrainingRunRow(id="run_1", brand="b", state=state.value, options={})
    if target in TRANSITIONS[state]:
        move(row, target, "why")
        assert (row.state, row.reason) == (target.value, "why")
        assert (row.finished_at is not None) == (target not in ACTIVE_STATES)
    else:
        with pytest.raises(Conflict):
            move(row, target)
        assert row.state == state.value


def ask(registry: Registry, run: str, *backends: str) -> Any:
    body = {"worker": "w"} | ({"backends": list(backends)} if backends else {})
    return registry.service.post(f"/internal/training-runs/{run}/lease", json=body)


@both_databases
def test_a_run_that_has_a_job_in_sagemaker_is_not_trained_anywhere_else(registry: Registry, run: str) -> None:
    # A worker of before the backends says nothing of them: it trains beside itself.
    first = ask(registry, run).json()
    assert first["backend"] == "celery"
    release(registry, run, first["token"], "requeue", "the trainer was stopped")
    second = ask(registry, run, "sagemaker").json()
    assert second["backend"] == "sagemaker"
    release(registry, run, second["token"], "requeue", "the job goes on")
    for backends in ((), ("celery",)):
        refused = ask(registry, run, *backends)
        assert refused.status_code == 409
        assert "as a job in SageMaker" in refused.json()["detail"]
    waiting = read_run(registry, run)
    assert waiting["state"] == "queued"
    assert "give the trainer service its ASSAY_SAGEMAKER_* settings back" in waiting["reason"]
    third = ask(registry, run, "celery", "sagemaker").json()
    assert third["backend"] == "sagemaker"
    assert read_run(registry, run)["reason"] is None
    # Whoever asks in vain for a run that is held changes nothing of what it says.
    assert ask(registry, run, "celery").status_code == 409
    assert read_run(registry, run)["reason"] is None
    assert ask(registry, run, "elsewhere").status_code == 422


def test_which_runs_are_over(registry: Registry, run: str) -> None:
    def over(*runs: str) -> list[str]:
        answer = registry.service.post("/internal/training-runs/over", json={"runs": runs})
        assert answer.status_code == 200, answer.text
        found: list[str] = answer.json()["runs"]
        return found

    assert over() == []
    assert over(run, "run_of_another_assay") == []
    registry.client.delete(f"{registry.address}/training-runs/{run}")
    assert over(run, "run_of_another_assay") == [run]
    assert registry.client.post("/internal/training-runs/over", json={"runs": []}).status_code == 401
