"""One caller, three engines: whose brands go where, and what becomes of them when a host dies or hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import numpy as np
import pytest
from prometheus_client import REGISTRY

from assay_engine.errors import DeadlinePassed
from assay_engine.framing import Found, Item
from assay_inference.engine_calls import ask_now
from assay_inference.engine_client import EngineClient
from assay_inference.engine_hosts import rank
from deploy.local.supervisor import Program, Supervisor
from tests.support.live_model import publish_model, telling_weights
from tests.support.serving import REPOSITORY, predicts, run_store

SIDE = 64
PICTURE = np.full((SIDE, SIDE, 3), 90, np.uint8)
BRANDS = {f"brand-{place}": 0.6 + 0.02 * place for place in range(12)}
"""Each brand's detector finds everything with its own confidence."""


@dataclass(frozen=True)
class Engines:
    """Three engines by address, each a program of its own."""

    supervisor: Supervisor
    programs: dict[str, str]

    def signal(self, url: str, number: int) -> None:
        """Sends a signal to an engine; one that dies is started anew."""
        os.kill(self.supervisor.pids()[self.programs[url]], number)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    with run_store(tmp_path_factory.mktemp("hosts")) as ground:
        for brand, confidence in BRANDS.items():
            publish_model(ground.store, brand, "mdl_1", telling_weights(confidence), SIDE)
        common = {
            **ground.environment,
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), ground.environment["PYTHONPATH"]]),
            "ASSAY_ENGINE_RUNTIME": "torch",
            "ASSAY_ENGINE_DEVICE": "cpu",
            "OMP_NUM_THREADS": "1",
        }
        programs = {}
        for name in ("engine-a", "engine-b", "engine-c"):
            url, home = ground.address(name), ground.make_home(name)
            programs[url] = Program(
                name,
                [sys.executable, "-m", "tests.support.engine_server", str(ground.ports.get(name))],
                {**common, "ASSAY_DATA_DIR": str(home)},
                home,
                ready=predicts(url),
            )
        ground.supervisor.start(list(programs.values()))
        yield Engines(ground.supervisor, {url: program.name for url, program in programs.items()})


@asynccontextmanager
async def caller(engines: Engines) -> AsyncIterator[EngineClient]:
    urls = list(engines.programs)
    client = EngineClient(urls, [1] * len(urls), 16, 64, 20)
    client.start()
    try:
        yield client
    finally:
        await client.stop()


async def ask(client: EngineClient, brand: str) -> None:
    """One picture; the answer must be the brand's own."""
    found = await client.detect(Item(brand, "mdl_1", PICTURE), 60)
    assert len(found.confidences)
    assert found.confidences == pytest.approx(BRANDS[brand], abs=0.003)


async def ask_until(client: EngineClient, done: Callable[[], bool], seconds: float = 90) -> int:
    """All brands, over and over, four at a time, until something has happened; how often."""
    count = 0
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not happen"
        await ask_all(client)
        count += len(BRANDS)
    return count


async def ask_all(client: EngineClient) -> None:
    """All brands once, four at a time."""
    for start in range(0, len(BRANDS), 4):
        await asyncio.gather(*[ask(client, brand) for brand in list(BRANDS)[start : start + 4]])


def read(name: str, url: str) -> float:
    return REGISTRY.get_sample_value(name, {"host": url}) or 0.0


def pictures_of(url: str) -> float:
    """Pictures that this host has answered for."""
    return read("assay_engine_host_pictures_total", url)


def own_brands(engines: Engines, url: str) -> list[str]:
    slots = dict.fromkeys(engines.programs, 1)
    return [brand for brand in BRANDS if rank(brand, slots)[0] == url]


def test_every_brand_is_answered_by_its_own_host(engines: Engines) -> None:
    async def run() -> None:
        async with caller(engines) as client:
            before = {url: pictures_of(url) for url in engines.programs}
            for brand in BRANDS:
                await ask(client, brand)
            for url, count in before.items():
                assert pictures_of(url) - count == len(own_brands(engines, url))

    asyncio.run(run())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
def test_a_lost_hosts_brands_move_and_come_back_and_no_request_fails(
    engines: Engines, how: signal.Signals
) -> None:
    async def run() -> None:
        victim = max(engines.programs, key=lambda url: len(own_brands(engines, url)))
        assert own_brands(engines, victim)
        async with caller(engines) as client:
            for brand in BRANDS:
                await ask(client, brand)
            asking = asyncio.create_task(ask_until(client, lambda: read("assay_engine_host_up", victim) == 0))
            await asyncio.sleep(0.5)
            engines.signal(victim, how)
            assert await asking
            count = pictures_of(victim)
            await ask_all(client)
            assert pictures_of(victim) == count
            if how == signal.SIGSTOP:
                engines.signal(victim, signal.SIGCONT)
            await ask_until(client, lambda: read("assay_engine_host_up", victim) == 1)
            await ask_until(client, lambda: pictures_of(victim) > count)

    asyncio.run(run())


def test_what_nobody_waits_for_any_more_is_not_computed(engines: Engines) -> None:
    now = time.monotonic()
    items = [Item("brand-0", "mdl_1", PICTURE, now - 1), Item("brand-1", "mdl_1", PICTURE, now + 60)]
    late, timely = ask_now(next(iter(engines.programs)), items, httpx.Timeout(10))
    assert isinstance(late, DeadlinePassed)
    assert isinstance(timely, Found)
