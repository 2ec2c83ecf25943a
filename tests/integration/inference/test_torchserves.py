"""One caller, three TorchServes: each has its share of the brands, and one of them is killed under load."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from assay_inference.engine_client import EngineClient
from tests.support.engine_hosts import Engines, caller, is_up, publish_brands
from tests.support.serving import predicts, run_store, torchserve_program

SILENCE_SECONDS = 6.0
"""A killed host is noticed by its connections; one that a busy machine holds up must not pass for dead."""


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engines]:
    with run_store(tmp_path_factory.mktemp("torchserves")) as ground:
        settings = {
            "ASSAY_ENGINE_WORKERS": "1",
            "ASSAY_ENGINE_RUNTIME": "torch",
            "ASSAY_ENGINE_DEVICE": "cpu",
            "OMP_NUM_THREADS": "1",
        }
        names = {ground.address(name): name for name in ("torchserve-a", "torchserve-b", "torchserve-c")}
        programs = [
            torchserve_program(ground, settings, name, ready=predicts(url), ready_seconds=180)
            for url, name in names.items()
        ]
        brands = publish_brands(ground, list(names), each=4)
        ground.supervisor.start(programs)
        yield Engines(ground.supervisor, names, brands)


def kill_host(engines: Engines, url: str) -> None:
    """kill -9 for all processes of a TorchServe: its launcher, Java and the worker."""
    launcher = psutil.Process(engines.supervisor.pids()[engines.programs[url]])
    tree = [launcher, *launcher.children(recursive=True)]
    assert len(tree) >= 3
    for process in tree:
        process.kill()


async def ask_on(
    engines: Engines, client: EngineClient, brand: str, note: Callable[[str, float], None]
) -> None:
    """One brand without pause; of every answered picture it notes when that was sent."""
    while True:
        sent = time.monotonic()
        await engines.ask(client, brand)
        note(brand, sent)


async def wait_for(what: Callable[[], bool], seconds: float, load: list[asyncio.Task[None]]) -> None:
    """Waits until something has happened; fails as soon as a request of the load has."""
    end = time.monotonic() + seconds
    while not what():
        for task in load:
            if task.done():
                task.result()
        assert time.monotonic() < end, f"not within {seconds:g} s"
        await asyncio.sleep(0.02)


def test_a_killed_torchserves_brands_are_answered_by_others_until_it_is_back(engines: Engines) -> None:
    async def run() -> None:
        victim = next(iter(engines.programs))
        own = set(engines.own_brands(victim))
        killed = math.inf
        warm: set[str] = set()
        moved: set[str] = set()

        def note(brand: str, sent: float) -> None:
            warm.add(brand)
            if brand in own and sent > killed:
                moved.add(brand)

        async with caller(engines, SILENCE_SECONDS) as client:
            await engines.ask_until_shared(client)
            load = [asyncio.create_task(ask_on(engines, client, brand, note)) for brand in engines.brands]
            try:
                await wait_for(lambda: warm == engines.brands.keys(), 60, load)
                await asyncio.to_thread(kill_host, engines, victim)
                killed = time.monotonic()
                await wait_for(lambda: moved == own, 60, load)
                assert not is_up(victim)
                await wait_for(lambda: is_up(victim), 180, load)
            finally:
                for task in load:
                    task.cancel()
                ends = await asyncio.gather(*load, return_exceptions=True)
            assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends
            await engines.ask_until_shared(client)

    asyncio.run(run())
