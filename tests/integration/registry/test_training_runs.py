"""Training runs: finishing, waiting, freezing, watching, cancelling, sweeping."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
import redis
from sqlalchemy import select, update

from assay_registry import training_runs
from assay_registry.context import Context
from assay_registry.models import DatasetVersionRow, TrainingRunRow
from assay_registry.run_states import announce
from assay_registry.settings import RegistrySettings
from assay_shared.ids import utc_now
from assay_shared.queue import TRAIN, TaskQueue
from tests.integration.registry.learning import (
    LENIENT,
    change_settings,
    finish,
    lease,
    read_run,
    release,
    teach,
)
from tests.integration.registry.support import Registry, both_databases, document


def queued_runs(broker: str) -> list[str]:
    with redis.Redis.from_url(broker) as client:
        bodies = [json.loads(message)["headers"] for message in client.lrange(TRAIN, 0, -1)]
    return [json.loads(body["argsrepr"].replace("'", '"'))[0] for body in bodies]


def change_run(registry: Registry, run: str, **values: Any) -> None:
    with registry.context.database.session() as session:
        session.execute(update(TrainingRunRow).where(TrainingRunRow.id == run).values(**values))


def test_finishing_freezes_a_dataset_and_queues_a_run(registry: Registry, valkey: str) -> None:
    names = teach(registry, 12)
    run = finish(registry, epochs=7)
    assert run["state"] == "queued"
    assert run["model_version"] == "v1"
    assert run["options"]["epochs"] == 7
    assert run["reason"] is None
    assert queued_runs(valkey) == [run["id"]]
    manifest = lease(registry, run["id"])["dataset"]
    assert [item["sha256"] for item in manifest["items"]] == sorted(names)
    assert manifest["labels"] == [{"name": "carton", "role": "product"}]
    assert sum(item["split"] == "val" for item in manifest["items"]) == 4
    assert {item["group"] for item in manifest["items"]} == set(names)


def test_a_run_says_what_its_photos_lack(registry: Registry) -> None:
    teach(registry, 12)
    run = finish(registry)
    # All twelve boxes are alike.
    lacking = [(warning["label"], warning["kind"], warning["images"]) for warning in run["warnings"]]
    assert lacking == [("carton", "images", 12), ("carton", "distance", 0), ("carton", "angle", 0)]
    assert "add 18" in run["warnings"][0]["advice"]
    assert lease(registry, run["id"])["dataset"]["warnings"] == run["warnings"]
    listed = registry.client.get(f"{registry.address}/training-runs").json()["items"]
    assert listed[0]["warnings"] == run["warnings"]


def test_too_few_held_out_to_pass_the_gate_are_refused_before_anything_is_trained(registry: Registry) -> None:
    change_settings(registry, min_images_per_label=4)
    teach(registry, 7)
    answer = registry.client.post(f"{registry.address}/training-runs", json={})
    assert answer.status_code == 422
    (missing,) = answer.json()["missing"]
    assert (missing["label"], missing["kind"], missing["needed"]) == (None, "held_out", 4)
    assert missing["images"] < 4
    assert missing["advice"] in answer.json()["detail"]
    change_settings(registry, min_images_per_label=4, gate={"min_image_accuracy": 0.5})
    assert finish(registry)["state"] == "queued"


def test_images_that_were_told_of_by_ingest_are_frozen(registry: Registry) -> None:
    change_settings(registry, **LENIENT)
    for number in range(3):
        source = registry.source(f"{number}.jpg", b"image%d" % number)
        registry.tell_image(source, b"image%d" % number)
        registry.tell_annotation(registry.source(f"{number}.json"), document("carton", "seal"))
    manifest = lease(registry, finish(registry)["id"])["dataset"]
    assert [label["name"] for label in manifest["labels"]] == ["carton", "seal"]
    assert len(manifest["items"]) == 3


def test_the_same_content_is_the_same_dataset_version(registry: Registry) -> None:
    teach(registry, 12)
    first = finish(registry)
    registry.client.delete(f"{registry.address}/training-runs/{first['id']}")
    second = finish(registry)
    assert second["dataset_version"] == first["dataset_version"]
    assert second["model_version"] == "v2"
    registry.client.delete(f"{registry.address}/training-runs/{second['id']}")
    teach(registry, 1, start=50)
    assert finish(registry)["dataset_version"] != first["dataset_version"]


def test_what_is_missing_is_told_and_near_duplicates_count_once(registry: Registry) -> None:
    teach(registry, 12, ["carton"])
    teach(registry, 9, ["carton", "seal"], start=100)
    teach(registry, 11, ["logo"], start=200, near_duplicates=True)
    answer = registry.client.post(f"{registry.address}/training-runs")
    assert answer.status_code == 422
    missing = answer.json()["missing"]
    assert [(one["label"], one["kind"], one["images"], one["needed"]) for one in missing] == [
        ("logo", "images", 1, 10),
        ("seal", "images", 9, 10),
    ]
    assert "add 9 different photos" in missing[0]["advice"]
    assert "'logo' has 1 of 10" in answer.json()["detail"]
    with registry.context.database.session() as session:
        assert session.scalars(select(DatasetVersionRow.id)).all() == []
        assert session.scalars(select(TrainingRunRow.id)).all() == []


def test_a_brand_without_images_or_without_a_product_is_refused(registry: Registry) -> None:
    answer = registry.client.post(f"{registry.address}/training-runs", json={})
    assert answer.status_code == 422
    assert answer.json()["missing"] == []
    teach(registry, 12, ["seal"])
    registry.client.put(f"{registry.address}/labels/seal", json={"role": "mark"})
    answer = registry.client.post(f"{registry.address}/training-runs", json={})
    assert answer.status_code == 422
    assert "role 'product'" in answer.json()["detail"]


def test_images_that_the_brand_put_all_into_train_are_refused(registry: Registry) -> None:
    teach(registry, 12, split="train")
    answer = registry.client.post(f"{registry.address}/training-runs", json={})
    assert answer.status_code == 422
    assert "to judge by" in answer.json()["detail"]


@both_databases
def test_of_two_that_finish_at_once_one_wins(registry: Registry) -> None:
    teach(registry, 12)
    together = threading.Barrier(4)
    statuses: list[int] = []

    def say_finished() -> None:
        together.wait()
        statuses.append(registry.client.post(f"{registry.address}/training-runs", json={}).status_code)

    threads = [threading.Thread(target=say_finished) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [202, 409, 409, 409]


def test_the_same_idempotency_key_gives_the_same_run(registry: Registry) -> None:
    teach(registry, 12)
    address, headers = f"{registry.address}/training-runs", {"Idempotency-Key": "once"}
    first = registry.client.post(address, json={}, headers=headers)
    again = registry.client.post(address, json={}, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()


def test_a_run_waits_for_uploads_and_begins_when_they_are_ingested(registry: Registry, valkey: str) -> None:
    change_settings(registry, **LENIENT)
    teach(registry, 4)
    source = registry.put_raw("late.jpg", b"late")
    run = finish(registry)
    assert (run["state"], run["reason"]) == ("queued", "waiting for 1 upload to be ingested")
    assert run["dataset_version"] is None
    answer = registry.service.post(f"/internal/training-runs/{run['id']}/lease", json={"worker": "w"})
    assert answer.status_code == 409
    training_runs.sweep(registry.context)
    assert queued_runs(valkey) == []
    registry.tell_image(source, b"late")
    registry.tell_annotation(registry.source("late.json"), document("carton"))
    training_runs.sweep(registry.context)
    assert read_run(registry, run["id"])["reason"] is None
    assert queued_runs(valkey) == [run["id"]]
    assert len(lease(registry, run["id"])["dataset"]["items"]) == 5


def test_a_waiting_run_fails_with_what_is_missing(registry: Registry) -> None:
    source = registry.put_raw("only.jpg", b"only")
    run = finish(registry)
    registry.tell_image(source, b"only")
    registry.tell_annotation(registry.source("only.json"), document("carton"))
    training_runs.sweep(registry.context)
    failed = read_run(registry, run["id"])
    assert failed["state"] == "failed"
    assert "'carton' has 1 of 10" in failed["reason"]
    assert failed["finished_at"] is not None


def test_runs_are_listed_by_page_newest_first(registry: Registry) -> None:
    teach(registry, 12)
    made = []
    for _ in range(3):
        made.append(finish(registry)["id"])
        registry.client.delete(f"{registry.address}/training-runs/{made[-1]}")
    first = registry.client.get(f"{registry.address}/training-runs", params={"limit": 2}).json()
    rest = registry.client.get(
        f"{registry.address}/training-runs", params={"limit": 2, "cursor": first["next_cursor"]}
    ).json()
    assert [run["id"] for run in first["items"] + rest["items"]] == made[::-1]
    assert rest["next_cursor"] is None


def test_cancelling_a_queued_run_is_instant_and_a_second_time_harmless(registry: Registry) -> None:
    teach(registry, 12)
    run = finish(registry)["id"]
    for _ in range(2):
        answer = registry.client.delete(f"{registry.address}/training-runs/{run}")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    answer = registry.service.post(f"/internal/training-runs/{run}/lease", json={"worker": "w"})
    assert answer.status_code == 409


def test_cancelling_a_leased_run_tells_its_worker(registry: Registry) -> None:
    teach(registry, 12)
    run = finish(registry)["id"]
    token = lease(registry, run)["token"]
    assert registry.client.delete(f"{registry.address}/training-runs/{run}").json()["state"] == "preparing"
    beat = registry.service.post(f"/internal/training-runs/{run}/heartbeat", json={"token": token}).json()
    assert beat["cancelled"] is True
    assert release(registry, run, token, "cancelled", "cancelled by the brand") == 204
    assert read_run(registry, run)["state"] == "cancelled"


def test_a_cancelled_run_whose_worker_died_is_cancelled_by_the_sweep(registry: Registry) -> None:
    teach(registry, 12)
    run = finish(registry)["id"]
    lease(registry, run)
    registry.client.delete(f"{registry.address}/training-runs/{run}")
    training_runs.sweep(registry.context)
    assert read_run(registry, run)["state"] == "preparing"
    change_run(registry, run, lease_expires_at=utc_now() - timedelta(seconds=1))
    training_runs.sweep(registry.context)
    assert read_run(registry, run)["state"] == "cancelled"


def test_a_run_that_is_over_cannot_be_cancelled(registry: Registry) -> None:
    teach(registry, 12)
    run = finish(registry)["id"]
    assert release(registry, run, lease(registry, run)["token"], "failed", "no base weights") == 204
    assert registry.client.delete(f"{registry.address}/training-runs/{run}").status_code == 409
    assert read_run(registry, run)["reason"] == "no base weights"


def test_a_lost_task_is_sent_again_once_a_minute(registry: Registry, valkey: str) -> None:
    teach(registry, 12)
    run = finish(registry)["id"]
    training_runs.sweep(registry.context)
    assert queued_runs(valkey) == [run]
    change_run(registry, run, queued_at=utc_now() - timedelta(seconds=61))
    training_runs.sweep(registry.context)
    training_runs.sweep(registry.context)
    assert queued_runs(valkey) == [run, run]


def test_a_broker_that_is_away_does_not_keep_a_run_from_being_made(
    registry: Registry, settings: RegistrySettings
) -> None:
    nobody = TaskQueue("redis://127.0.0.1:9/0")
    registry.app.state.context = Context(settings, registry.context.database, registry.context.store, nobody)
    teach(registry, 12)
    run = finish(registry)
    assert run["state"] == "queued"
    announce(registry.app.state.context, run["id"])


def test_without_the_store_finishing_is_unavailable_and_makes_no_run(
    registry: Registry, without_store: Any
) -> None:
    teach(registry, 12)
    without_store()
    answer = registry.client.post(f"{registry.address}/training-runs", json={})
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert registry.client.get(f"{registry.address}/training-runs").json()["items"] == []


def test_the_log_is_plain_text_with_times(registry: Registry) -> None:
    teach(registry, 12)
    run = finish(registry)["id"]
    beat = {"token": lease(registry, run)["token"], "log": ["first", "second \x00 line"]}
    assert registry.service.post(f"/internal/training-runs/{run}/heartbeat", json=beat).status_code == 200
    answer = registry.client.get(f"{registry.address}/training-runs/{run}/log")
    assert answer.headers["content-type"].startswith("text/plain")
    assert [line.partition(" ")[2] for line in answer.text.splitlines()] == ["first", "second  line"]


def test_events_follow_a_run_to_its_end(registry: Registry) -> None:
    teach(registry, 12)
    run = finish(registry)["id"]
    token = lease(registry, run)["token"]
    worker = threading.Timer(0.3, release, (registry, run, token, "failed", "it broke"))
    worker.start()
    answer = registry.client.get(f"{registry.address}/training-runs/{run}/events")
    worker.join()
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [event.split("\n") for event in answer.text.strip().split("\n\n")]
    assert {event[0] for event in events} == {"event: run"}
    states = [json.loads(event[1].removeprefix("data: "))["state"] for event in events]
    assert states == ["preparing", "failed"]


@pytest.mark.parametrize(("scope", "reads"), [("upload", 200), ("verify", 403), ("manage", 200)])
def test_only_the_scope_train_may_start_and_cancel(registry: Registry, scope: str, reads: int) -> None:
    teach(registry, 12)
    run = finish(registry)["id"]
    key = registry.make_key(scope)
    assert key.post(f"{registry.address}/training-runs", json={}).status_code == 403
    assert key.delete(f"{registry.address}/training-runs/{run}").status_code == 403
    assert key.get(f"{registry.address}/training-runs/{run}").status_code == reads


def test_another_brands_runs_do_not_exist(registry: Registry) -> None:
    teach(registry, 12)
    run = finish(registry)["id"]
    other = f"{registry.brand}-2"
    assert registry.client.post("/v1/brands", json={"slug": other, "name": "Other"}).status_code == 201
    key = registry.make_key("train", brand=other)
    for path in ("", f"/{run}", f"/{run}/log", f"/{run}/events"):
        assert key.get(f"{registry.address}/training-runs{path}").status_code == 404
        if path:
            assert key.get(f"/v1/brands/{other}/training-runs{path}").status_code == 404
    assert key.delete(f"/v1/brands/{other}/training-runs/{run}").status_code == 404
