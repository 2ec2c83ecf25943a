"""Model versions: judged when they arrive, put live, rolled back; the pointer follows the database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from assay_registry import model_versions, promotion, training_runs
from assay_registry.context import Context
from assay_registry.models import ModelVersionRow
from assay_shared.ids import utc_now
from assay_shared.keys import LIVE, MODELS, model_folder, model_json_key, pointer_key
from assay_shared.model_description import WEIGHTS_FILE, LiveComparison
from tests.integration.registry.learning import (
    finish,
    judge,
    lease,
    make_metrics,
    make_packaged,
    read_run,
    release,
    store_model,
    teach,
)
from tests.integration.registry.support import Registry, both_databases


@pytest.fixture
def taught(registry: Registry) -> Registry:
    """A registry whose brand may train."""
    teach(registry, 12)
    return registry


def make_live(registry: Registry, **model: Any) -> str:
    """Trains and judges a model that passes; gives its version."""
    run = make_packaged(registry, **model)
    assert judge(registry, run).json()["state"] == "live"
    version: str = run["model_version"]
    return version


def pointer(registry: Registry) -> Any:
    return registry.context.store.get_json(LIVE, pointer_key(registry.brand))


def versions(registry: Registry) -> dict[str, str]:
    items = registry.client.get(f"{registry.address}/model-versions").json()["items"]
    return {item["version"]: item["state"] for item in items}


def put_live(registry: Registry, version: str) -> Any:
    return registry.client.put(f"{registry.address}/live", json={"version": version})


def test_a_model_that_passes_goes_live(taught: Registry) -> None:
    assert taught.client.get(f"{taught.address}/live").status_code == 404
    run = make_packaged(taught)
    judged = judge(taught, run)
    assert judged.status_code == 200
    assert judged.json()["state"] == "live"
    assert judged.json()["report"] == ["confusion.json", "curves.png", "page.html"]
    over = read_run(taught, run["id"])
    assert (over["state"], over["reason"]) == ("succeeded", None)
    assert over["metrics"]["map50"] == 0.95
    live = taught.client.get(f"{taught.address}/live").json()
    assert live["version"] == "v1"
    assert pointer(taught) == live
    for name in ("model.safetensors", "model.json"):
        key = f"{taught.brand}/v1/{name}"
        assert taught.context.store.get(LIVE, key) == taught.context.store.get(MODELS, key)


def test_a_model_that_fails_the_gate_is_rejected_with_reasons(taught: Registry) -> None:
    make_live(taught)
    run = make_packaged(
        taught,
        metrics=make_metrics(0.5, 0.9),
        live=LiveComparison(version="v1", metrics=make_metrics(0.9, 0.9)),
    )
    judged = judge(taught, run).json()
    assert judged["state"] == "rejected"
    assert len(judged["reasons"]) == 2
    over = read_run(taught, run["id"])
    assert over["state"] == "succeeded"
    assert over["reason"] == "not live: " + "; ".join(judged["reasons"])
    assert pointer(taught)["version"] == "v1"
    answer = put_live(taught, "v2")
    assert answer.status_code == 409
    assert answer.json()["reasons"] == judged["reasons"]
    assert versions(taught) == {"v2": "rejected", "v1": "live"}


def test_rollback_is_one_call_and_needs_no_file_of_the_models_bucket(taught: Registry) -> None:
    make_live(taught)
    make_live(taught)
    assert versions(taught) == {"v2": "live", "v1": "retired"}
    taught.context.store.delete_prefix(MODELS, f"{taught.brand}/v1/")
    assert put_live(taught, "v1").json()["version"] == "v1"
    assert versions(taught) == {"v2": "retired", "v1": "live"}
    assert pointer(taught)["version"] == "v1"
    again = put_live(taught, "v1")
    assert again.json() == taught.client.get(f"{taught.address}/live").json()
    assert put_live(taught, "v2").status_code == 200
    assert pointer(taught)["version"] == "v2"
    assert put_live(taught, "v9").status_code == 404


def test_a_repeated_arrival_changes_nothing_not_even_a_rollback(taught: Registry) -> None:
    make_live(taught)
    run = make_packaged(taught)
    judge(taught, run)
    put_live(taught, "v1")
    again = judge(taught, run)
    assert (again.status_code, again.json()["state"]) == (200, "retired")
    assert pointer(taught)["version"] == "v1"


@both_databases
def test_arrivals_at_once_make_one_version(taught: Registry) -> None:
    run = make_packaged(taught)
    together = threading.Barrier(4)
    answers: list[tuple[int, str]] = []

    def tell() -> None:
        together.wait()
        answer = judge(taught, run)
        answers.append((answer.status_code, answer.json().get("state")))

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(200, "live")] * 4
    assert versions(taught) == {"v1": "live"}


@both_databases
def test_of_promotions_at_once_one_stays_and_the_pointer_names_it(taught: Registry) -> None:
    names = [make_live(taught) for _ in range(3)]
    threads = [threading.Thread(target=put_live, args=(taught, name)) for name in names * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = versions(taught)
    assert sorted(states.values()) == ["live", "retired", "retired"]
    assert states[pointer(taught)["version"]] == "live"


def test_a_model_that_arrives_before_its_worker_says_so_is_judged(taught: Registry) -> None:
    run = finish(taught)
    token = lease(taught, run["id"])["token"]
    store_model(taught, run)
    assert judge(taught, run).json()["state"] == "live"
    assert read_run(taught, run["id"])["state"] == "succeeded"
    assert release(taught, run["id"], token, "packaged") == 204
    assert read_run(taught, run["id"])["state"] == "succeeded"


def test_packaged_models_are_awaited_until_they_are_judged(taught: Registry) -> None:
    place = {"brand": taught.brand, "version": "v1"}
    run = make_packaged(taught)
    assert taught.service.get("/internal/awaited-models").json() == [place]
    judge(taught, run)
    assert taught.service.get("/internal/awaited-models").json() == []


def test_a_version_that_no_run_makes_is_unknown(taught: Registry) -> None:
    for place in ({"brand": taught.brand, "version": "v7"}, {"brand": "nobody", "version": "v1"}):
        assert taught.service.post("/internal/arrived-models", json=place).status_code == 404
    run = make_packaged(taught)
    taught.context.store.delete(MODELS, model_json_key(taught.brand, "v1"))
    assert judge(taught, run).status_code == 404
    assert read_run(taught, run["id"])["state"] == "evaluating"


def test_a_model_with_a_missing_file_fails_its_run(taught: Registry) -> None:
    run = make_packaged(taught, absent="report/curves.png")
    answer = judge(taught, run)
    assert answer.status_code == 422
    assert "report/curves.png" in answer.json()["detail"]
    assert read_run(taught, run["id"])["state"] == "failed"
    assert "report/curves.png" in read_run(taught, run["id"])["reason"]
    assert taught.service.get("/internal/awaited-models").json() == []
    assert finish(taught)["model_version"] == "v2"


def test_damaged_weights_fail_their_run(taught: Registry) -> None:
    run = make_packaged(taught)
    taught.context.store.put(MODELS, model_folder(taught.brand, "v1") + WEIGHTS_FILE, b"cut off")
    assert judge(taught, run).status_code == 422
    assert "damaged" in read_run(taught, run["id"])["reason"]
    assert taught.client.get(f"{taught.address}/live").status_code == 404


def test_a_description_that_names_no_weights_fails_its_run(taught: Registry) -> None:
    run = make_packaged(taught)
    described = store_model(taught, run).model_copy(update={"files": {}})
    key = model_json_key(taught.brand, "v1")
    taught.context.store.put_json(MODELS, key, described.model_dump(mode="json"))
    assert judge(taught, run).status_code == 422
    assert read_run(taught, run["id"])["state"] == "failed"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"brand": "x"}'])
def test_a_description_that_cannot_be_read_fails_its_run(taught: Registry, content: bytes) -> None:
    run = make_packaged(taught)
    taught.context.store.put(MODELS, model_json_key(taught.brand, "v1"), content)
    assert judge(taught, run).status_code == 422
    assert "cannot be read" in read_run(taught, run["id"])["reason"]


def test_a_description_of_another_model_fails_its_run(taught: Registry) -> None:
    run = make_packaged(taught)
    described = store_model(taught, run).model_copy(update={"brand": "other"})
    key = model_json_key(taught.brand, "v1")
    taught.context.store.put_json(MODELS, key, described.model_dump(mode="json"))
    assert judge(taught, run).status_code == 422
    assert "another model" in read_run(taught, run["id"])["reason"]


def test_a_model_of_a_cancelled_run_does_not_go_live(taught: Registry) -> None:
    run = make_packaged(taught)
    taught.client.delete(f"{taught.address}/training-runs/{run['id']}")
    judged = judge(taught, run).json()
    assert (judged["state"], judged["reasons"]) == ("rejected", ["the training run was cancelled"])
    assert read_run(taught, run["id"])["state"] == "cancelled"


def test_without_the_store_nothing_is_judged_and_nothing_changes(
    taught: Registry, without_store: Callable[[], Context]
) -> None:
    whole = taught.context
    make_live(taught)
    make_live(taught)
    run = make_packaged(taught)
    without_store()
    assert judge(taught, run).status_code == 503
    assert put_live(taught, "v1").status_code == 503
    assert versions(taught) == {"v2": "live", "v1": "retired"}
    assert read_run(taught, run["id"])["state"] == "evaluating"
    taught.app.state.context = whole
    assert judge(taught, run).json()["state"] == "live"


def test_the_sweep_ends_what_a_dead_process_began(taught: Registry) -> None:
    run = make_packaged(taught)
    described = store_model(taught, run)
    with taught.context.database.session() as session:
        session.add(
            ModelVersionRow(
                brand=taught.brand,
                version="v1",
                run=run["id"],
                state="candidate",
                description=described.model_dump(mode="json"),
            )
        )
    training_runs.sweep(taught.context)
    model_versions.sweep(taught.context)
    assert versions(taught) == {"v1": "live"}
    assert read_run(taught, run["id"])["state"] == "succeeded"
    assert pointer(taught)["version"] == "v1"


def test_the_sweep_repairs_pointers_all_at_first_then_recent_ones(taught: Registry) -> None:
    make_live(taught)
    make_live(taught)
    store, key = taught.context.store, pointer_key(taught.brand)
    with taught.context.database.session() as session:
        session.execute(
            update(ModelVersionRow)
            .where(ModelVersionRow.version == "v2")
            .values(live_since=utc_now() - timedelta(hours=1))
        )
    store.delete(LIVE, key)
    promotion.repair_pointers(taught.context, everything=False)
    assert promotion.read_pointer(taught.context, taught.brand) is None
    promotion.repair_pointers(taught.context, everything=True)
    assert pointer(taught)["version"] == "v2"
    put_live(taught, "v1")
    store.put(LIVE, key, b"torn")
    store.delete(LIVE, model_json_key(taught.brand, "v1"))
    promotion.repair_pointers(taught.context, everything=False)
    assert pointer(taught)["version"] == "v1"
    assert store.stat(LIVE, model_json_key(taught.brand, "v1")) is not None


def test_a_brand_whose_live_version_is_gone_keeps_no_other_from_repair(taught: Registry) -> None:
    lost = replace(taught, brand=f"a{taught.brand}")
    assert lost.client.post("/v1/brands", json={"slug": lost.brand, "name": "Lost"}).status_code == 201
    teach(lost, 12)
    make_live(lost)
    make_live(taught)
    store = taught.context.store
    for each in (lost, taught):
        store.delete(LIVE, pointer_key(each.brand))
    for bucket in (LIVE, MODELS):
        store.delete_prefix(bucket, model_folder(lost.brand, "v1"))
    promotion.repair_pointers(taught.context, everything=True)
    assert pointer(taught)["version"] == "v1"
    assert promotion.read_pointer(lost.context, lost.brand) is None


def test_a_report_is_served_safely(taught: Registry) -> None:
    make_live(taught)
    address = f"{taught.address}/model-versions/v1/report"
    kinds = {"curves.png": "image/png", "confusion.json": "application/json"}
    for name, kind in kinds.items():
        answer = taught.client.get(f"{address}/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == kind
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert taught.client.get(f"{address}/curves.png").content == b"\x89PNG"
    page = taught.client.get(f"{address}/page.html")
    assert page.headers["content-type"] == "application/octet-stream"
    assert page.headers["content-disposition"] == "attachment"
    for name in ("other.png", "../model.json", "%2e%2e/model.json", "..%2fmodel.safetensors", ""):
        assert taught.client.get(f"{address}/{name}").status_code == 404


def test_versions_are_listed_newest_first_by_page(taught: Registry) -> None:
    for _ in range(3):
        make_live(taught)
    first = taught.client.get(f"{taught.address}/model-versions", params={"limit": 2}).json()
    assert [item["version"] for item in first["items"]] == ["v3", "v2"]
    rest = taught.client.get(
        f"{taught.address}/model-versions", params={"cursor": first["next_cursor"]}
    ).json()
    assert [item["version"] for item in rest["items"]] == ["v1"]
    one = taught.client.get(f"{taught.address}/model-versions/v1").json()
    assert one["description"]["architecture"] == "yolov5nu"
    assert one["metrics"]["image_accuracy"] == 0.95


def test_a_lease_names_the_live_version(taught: Registry) -> None:
    make_live(taught)
    assert lease(taught, finish(taught)["id"])["live_version"] == "v1"


def test_only_the_scope_manage_may_put_live_and_others_see_nothing(taught: Registry) -> None:
    make_live(taught)
    key = taught.make_key("train", "verify", "upload")
    assert key.put(f"{taught.address}/live", json={"version": "v1"}).status_code == 403
    assert key.get(f"{taught.address}/live").status_code == 200
    manager = taught.make_key("manage")
    assert manager.put(f"{taught.address}/live", json={"version": "v1"}).status_code == 200
    other = f"{taught.brand}-2"
    taught.client.post("/v1/brands", json={"slug": other, "name": "Other"})
    stranger = taught.make_key("manage", brand=other)
    for path in ("live", "model-versions", "model-versions/v1", "model-versions/v1/report/curves.png"):
        assert stranger.get(f"{taught.address}/{path}").status_code == 404
    assert stranger.put(f"{taught.address}/live", json={"version": "v1"}).status_code == 404


def test_one_brand_has_one_live_version_whatever_is_asked(taught: Registry) -> None:
    for _ in range(3):
        make_live(taught)
    for version in ("v1", "v3", "v2", "v2"):
        put_live(taught, version)
        with taught.context.database.session() as session:
            live = session.scalars(select(ModelVersionRow.version).where(ModelVersionRow.state == "live"))
            assert live.all() == [version]
