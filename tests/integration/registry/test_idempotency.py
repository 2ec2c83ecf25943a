from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from assay_registry.context import Context
from assay_registry.idempotency import ABANDONED, KEPT, replay_or_run, sweep
from assay_registry.models import IdempotencyRow
from assay_shared.auth import Principal
from assay_shared.errors import Conflict, InvalidRequest
from assay_shared.ids import utc_now
from assay_shared.wire import ModelPlace
from tests.integration.registry.support import Registry, both_databases

ADMIN = Principal(admin=True)


def test_a_repeated_request_gets_the_first_answer(registry: Registry) -> None:
    header = {"Idempotency-Key": "one"}
    first = registry.client.post(f"{registry.address}/uploads", headers=header)
    again = registry.client.post(f"{registry.address}/uploads", headers=header)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert len(registry.client.get(f"{registry.address}/uploads").json()["items"]) == 1
    other = registry.make_key("upload").post(f"{registry.address}/uploads", headers=header)
    assert other.json()["id"] != first.json()["id"]


def test_a_key_used_for_another_request_is_refused(registry: Registry) -> None:
    header = {"Idempotency-Key": "one"}
    body = {"name": "k", "scopes": ["upload"]}
    made = registry.client.post(f"{registry.address}/keys", json=body, headers=header)
    assert made.status_code == 201
    other = registry.client.post(f"{registry.address}/keys", json={**body, "name": "l"}, headers=header)
    assert other.status_code == 422


def test_an_api_key_is_never_stored(registry: Registry) -> None:
    header, body = {"Idempotency-Key": "one"}, {"name": "k", "scopes": ["upload"]}
    made = registry.client.post(f"{registry.address}/keys", json=body, headers=header).json()
    again = registry.client.post(f"{registry.address}/keys", json=body, headers=header).json()
    assert made["key"].startswith("assay_")
    assert again == {name: value for name, value in made.items() if name != "key"}
    with registry.context.database.session() as session:
        stored = session.scalars(select(IdempotencyRow)).all()
    assert all(made["key"] not in (row.body or "") for row in stored)


def test_a_failed_request_frees_its_key(registry: Registry) -> None:
    header = {"Idempotency-Key": "one"}
    body = {"slug": registry.brand, "name": "Taken"}
    assert registry.client.post("/v1/brands", json=body, headers=header).status_code == 409
    body = {"slug": f"{registry.brand}-2", "name": "Free"}
    assert registry.client.post("/v1/brands", json=body, headers=header).status_code == 201


@both_databases
def test_two_at_once_run_once(context: Context) -> None:
    started, go, runs = threading.Event(), threading.Event(), []

    def work() -> tuple[int, ModelPlace]:
        runs.append(1)
        started.set()
        go.wait(10)
        return 201, ModelPlace(brand="b", version=str(len(runs)))

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(replay_or_run, context, "k", ADMIN, b"x", work)
        assert started.wait(10)
        with pytest.raises(Conflict):
            replay_or_run(context, "k", ADMIN, b"x", work)
        with pytest.raises(InvalidRequest):
            replay_or_run(context, "k", ADMIN, b"y", work)
        go.set()
        answer = first.result(10)
    assert replay_or_run(context, "k", ADMIN, b"x", work).body == answer.body
    assert len(runs) == 1


def test_old_answers_are_forgotten(context: Context) -> None:
    def work() -> tuple[int, ModelPlace]:
        return 201, ModelPlace(brand="b", version="1")

    replay_or_run(context, "old", ADMIN, b"x", work)
    replay_or_run(context, "new", ADMIN, b"x", work)
    replay_or_run(context, "died", ADMIN, b"x", work)
    with context.database.session() as session:
        age = update(IdempotencyRow)
        session.execute(
            age.where(IdempotencyRow.key == "old").values(created_at=utc_now() - KEPT - timedelta(seconds=1))
        )
        long_ago = utc_now() - ABANDONED - timedelta(seconds=1)
        session.execute(
            age.where(IdempotencyRow.key == "died").values(created_at=long_ago, status=None, body=None)
        )
    sweep(context)
    with context.database.session() as session:
        assert [row.key for row in session.scalars(select(IdempotencyRow))] == ["new"]


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_keys_of_bad_length_are_refused(registry: Registry, key: str) -> None:
    answer = registry.client.post(f"{registry.address}/uploads", headers={"Idempotency-Key": key})
    assert answer.status_code == 422
