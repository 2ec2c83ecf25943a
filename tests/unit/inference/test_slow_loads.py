"""A store that is slow: the caller asks again for what is being loaded, and others are answered meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from assay_engine.budgets import Budgets
from assay_engine.engine import Engine
from assay_engine.errors import ModelLoading
from assay_engine.framing import Found, Item, read_response, write_response
from assay_inference.engine_client import EngineClient
from assay_shared.errors import AssayError
from tests.support.folder_store import FolderStore
from tests.support.live_model import describe_model
from tests.support.telling import SIDE, TellingRuntime, telling_number, telling_weights

WAIT_SECONDS = 0.01
"""For which the engine waits for a model."""


class InProcess:
    """The way to an engine in this process, which answers one request at a time."""

    idle_seconds, lost_seconds = 60.0, 0.0

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.asked: list[list[str]] = []
        self._worker = asyncio.Lock()

    async def ask(self, _host: str, items: Sequence[Item]) -> list[Found | AssayError]:
        async with self._worker:
            self.asked.append([item.brand for item in items])
            results = await asyncio.to_thread(self.engine.detect, items, WAIT_SECONDS)
        return read_response(write_response(results))

    def check(self) -> None:
        pass

    async def close(self) -> None:
        pass


@pytest.fixture
def store() -> FolderStore:
    store = FolderStore()
    for brand in ("warm", "cold"):
        weights = telling_weights(brand, "v1")
        store.publish(describe_model(brand, "v1", weights, SIDE), weights)
    return store


@asynccontextmanager
async def caller(store: FolderStore, folder: Path) -> AsyncIterator[tuple[EngineClient, InProcess]]:
    """A caller of an engine that has the brand `warm` in memory."""
    engine = Engine(store, folder, TellingRuntime(), Budgets(1 << 20, 0, 1 << 20))
    engine.models.load(("warm", "v1")).result(30)
    way = InProcess(engine)
    client = EngineClient(["engine"], [1], 16, 64, 60, silence_seconds=60, transport=way)
    client.start()
    try:
        yield client, way
    finally:
        await client.stop()
        engine.close()


async def ask(client: EngineClient, brand: str, number: int = 0, deadline_seconds: float = 60) -> None:
    """One picture; the answer must be the brand's own, and the picture's."""
    picture = np.full((SIDE, SIDE, 3), number, np.uint8)
    found = await client.detect(Item(brand, "v1", picture), deadline_seconds)
    assert found.labels.tolist() == [telling_number(brand, "v1")]
    assert found.confidences.tolist() == [number]


async def until_asked_twice(way: InProcess, brand: str) -> None:
    while sum(brand in brands for brands in way.asked) < 2:  # noqa: ASYNC110  (the transport has no event)
        await asyncio.sleep(0.01)


def test_what_is_being_loaded_is_asked_for_again_and_holds_up_nobody(
    store: FolderStore, tmp_path: Path
) -> None:
    async def run() -> None:
        async with caller(store, tmp_path) as (client, way):
            with store.held():
                cold = [asyncio.create_task(ask(client, "cold", number)) for number in range(5)]
                await until_asked_twice(way, "cold")
                for number in range(20):
                    await ask(client, "warm", number)
                assert not any(task.done() for task in cold)
            await asyncio.gather(*cold)
        assert store.fetched.count("cold/v1/model.safetensors") == 1

    asyncio.run(run())


def test_a_brands_pictures_are_answered_in_order_when_its_model_is_there(
    store: FolderStore, tmp_path: Path
) -> None:
    answered = list[int]()

    async def ask_and_note(client: EngineClient, number: int) -> None:
        await ask(client, "cold", number)
        answered.append(number)

    async def run() -> None:
        async with caller(store, tmp_path) as (client, way):
            with store.held():
                first = asyncio.create_task(ask_and_note(client, 0))
                await until_asked_twice(way, "cold")
                later = [asyncio.create_task(ask_and_note(client, number)) for number in range(1, 30)]
                await ask(client, "warm")
            await asyncio.gather(first, *later)
        assert answered == list(range(30))

    asyncio.run(run())


def test_what_is_not_loaded_by_the_deadline_is_told_so(store: FolderStore, tmp_path: Path) -> None:
    async def run() -> None:
        async with caller(store, tmp_path) as (client, way):
            with store.held():
                with pytest.raises(ModelLoading, match="is being loaded; send again soon") as refused:
                    await ask(client, "cold", deadline_seconds=1)
                assert refused.value.retry_after == 1
                assert sum("cold" in brands for brands in way.asked) >= 2
            await ask(client, "cold")

    asyncio.run(run())
