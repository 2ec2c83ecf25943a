"""One caller, three engines: whose brands go where, and what becomes of them when a host dies or hangs.

The engines here are TorchServe's handler without TorchServe, which start in seconds; with TorchServe around
it: test_torchserves.py.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from assay_engine.errors import DeadlinePassed
from assay_engine.framing import Found, Item
from assay_inference.engine_calls import ask_now
from assay_inference.engine_client import EngineClient
from deploy.local.supervisor import Program
from tests.support.engine_hosts import PICTURE, Engines, caller, is_up, pictures_of, publish_brands
from tests.support.serving import REPOSITORY, predicts, run_store


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    with run_store(tmp_path_factory.mktemp("hosts")) as ground:
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
        brands = publish_brands(ground, list(programs), each=4)
        ground.supervisor.start(list(programs.values()))
        names = {url: program.name for url, program in programs.items()}
        yield Engines(ground.supervisor, names, brands)


async def ask_until(
    engines: Engines, client: EngineClient, done: Callable[[], bool], seconds: float = 90
) -> int:
    """All brands, over and over, four at a time, until something has happened; how often."""
    count = 0
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not happen"
        await engines.ask_all(client, at_once=4)
        count += len(engines.brands)
    return count


def test_every_brand_is_answered_by_its_own_host(engines: Engines) -> None:
    async def run() -> None:
        async with caller(engines) as client:
            await engines.ask_until_shared(client)

    asyncio.run(run())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
def test_a_lost_hosts_brands_move_and_come_back_and_no_request_fails(
    engines: Engines, how: signal.Signals
) -> None:
    async def run() -> None:
        victim = next(iter(engines.programs))
        async with caller(engines) as client:
            await engines.ask_all(client, at_once=1)
            asking = asyncio.create_task(ask_until(engines, client, lambda: not is_up(victim)))
            await asyncio.sleep(0.5)
            engines.supervisor.kill(engines.programs[victim], how)
            assert await asking
            count = pictures_of(victim)
            await engines.ask_all(client, at_once=4)
            assert pictures_of(victim) == count
            if how == signal.SIGSTOP:
                engines.supervisor.kill(engines.programs[victim], signal.SIGCONT)
            await ask_until(engines, client, lambda: is_up(victim))
            await ask_until(engines, client, lambda: pictures_of(victim) > count)

    asyncio.run(run())


def test_what_nobody_waits_for_any_more_is_not_computed(engines: Engines) -> None:
    first, second = list(engines.brands)[:2]

    async def load() -> None:
        async with caller(engines) as client:
            await engines.ask(client, second)

    asyncio.run(load())
    now = time.monotonic()
    items = [Item(first, "mdl_1", PICTURE, now - 1), Item(second, "mdl_1", PICTURE, now + 60)]
    late, timely = ask_now(next(iter(engines.programs)), items, httpx.Timeout(10))
    assert isinstance(late, DeadlinePassed)
    assert isinstance(timely, Found)
