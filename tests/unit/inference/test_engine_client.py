from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from assay_engine import framing
from assay_engine.errors import ModelUnavailable
from assay_engine.framing import Found, Item
from assay_inference.engine_calls import check_engine
from assay_inference.engine_client import EngineClient
from assay_inference.engine_hosts import rank
from assay_inference.errors import BrandFlood, Busy
from assay_shared.errors import AssayError, EngineUnavailable, NotFound
from deploy.local.ports import free_port

BOX = Found(np.ones((1, 4), np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))


def item(brand: str = "acme") -> Item:
    return Item(brand, "v1", np.zeros((2, 2, 3), np.uint8))


class FakeTorchServe:
    """Speaks the engine's frames over real HTTP; `behave` says what becomes of a request's items."""

    def __init__(self, behave: Callable[[list[str]], Response | None]) -> None:
        self.batches: list[list[str]] = []
        self.items: list[Item] = []
        self.probes = 0
        self.arrived = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self._behave = behave

    @asynccontextmanager
    async def serve(self, port: int | None = None) -> AsyncIterator[str]:
        app = FastAPI()

        @app.post("/predictions/engine")
        async def predict(request: Request) -> Response:
            items = framing.read_request(await request.body())
            self.items += items
            brands = [one.brand for one in items]
            if brands:
                self.batches.append(brands)
                self.arrived.set()
            else:
                self.probes += 1
            await self.gate.wait()
            special = self._behave(brands)
            if special is not None:
                return special
            results: list[Found | AssayError] = [
                NotFound("no such brand") if brand == "nobody" else BOX for brand in brands
            ]
            return Response(framing.write_response(results))

        port = port or free_port()
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            self.gate.set()
            server.should_exit = True
            await task


@asynccontextmanager
async def client_of(
    *urls: str, slots: int = 1, streams: int = 1, queue: int = 64, seconds: float = 5, silence: float = 1.5
) -> AsyncIterator[EngineClient]:
    client = EngineClient(
        urls, [slots] * len(urls), 16, queue, seconds, streams=streams, silence_seconds=silence
    )
    client.start()
    try:
        yield client
    finally:
        await client.stop()


def test_what_gathers_while_the_worker_is_busy_goes_as_one_request() -> None:
    async def run() -> None:
        server = FakeTorchServe(lambda brands: None)
        async with server.serve() as url, client_of(url) as client:
            server.gate.clear()
            first = asyncio.create_task(client.detect(item("a"), 5))
            await server.arrived.wait()
            others = [asyncio.create_task(client.detect(item(brand), 5)) for brand in "bcd"]
            await asyncio.sleep(0.05)
            server.gate.set()
            await asyncio.gather(first, *others)
        assert server.batches == [["a"], ["b", "c", "d"]]

    asyncio.run(run())


def test_a_slow_worker_with_streams_still_gets_a_picture_a_stream() -> None:
    async def run() -> list[int]:
        server = FakeTorchServe(lambda brands: None)
        async with server.serve() as url, client_of(url, streams=3) as client:
            # So slow that without streams each picture would go alone.
            for _ in range(10):
                for host in client._hosts:
                    host.pace.note(1, 0.4)
            server.gate.clear()
            first = asyncio.create_task(client.detect(item("a"), 5))
            await server.arrived.wait()
            others = [asyncio.create_task(client.detect(item(brand), 5)) for brand in "bcde"]
            await asyncio.sleep(0.05)
            server.gate.set()
            await asyncio.gather(first, *others)
        return [len(batch) for batch in server.batches]

    assert asyncio.run(run()) == [1, 3, 1]


def test_an_items_error_is_its_own() -> None:
    async def run() -> None:
        server = FakeTorchServe(lambda brands: None)
        async with server.serve() as url, client_of(url) as client:
            good, bad = await asyncio.gather(
                client.detect(item(), 5), client.detect(item("nobody"), 5), return_exceptions=True
            )
        assert isinstance(good, Found)
        assert isinstance(bad, NotFound)

    asyncio.run(run())


def test_a_dead_worker_is_asked_once_more_picture_by_picture() -> None:
    async def run() -> None:
        deaths = iter([True, True])

        def die(brands: list[str]) -> Response | None:
            dies = "killer" in brands and next(deaths)
            return Response("Worker died.", 500) if dies else None

        server = FakeTorchServe(die)
        async with server.serve() as url, client_of(url) as client:
            server.gate.clear()
            first = asyncio.create_task(client.detect(item("a"), 5))
            await server.arrived.wait()
            killer = asyncio.create_task(client.detect(item("killer"), 5))
            victim = asyncio.create_task(client.detect(item("victim"), 5))
            await asyncio.sleep(0.05)
            server.gate.set()
            await first
            assert isinstance(await victim, Found)
            with pytest.raises(EngineUnavailable, match=r"500: Worker died"):
                await killer
        assert server.batches == [["a"], ["killer", "victim"], ["killer"], ["victim"]]

    asyncio.run(run())


def test_another_torchserve_takes_over() -> None:
    async def run() -> None:
        server = FakeTorchServe(lambda brands: None)
        async with server.serve() as url, client_of(f"http://127.0.0.1:{free_port()}", url) as client:
            found = await asyncio.gather(*[client.detect(item(), 5) for _ in range(4)])
        assert len(found) == 4

    asyncio.run(run())


def test_nobody_there_is_unavailable_not_a_hang() -> None:
    async def run() -> None:
        async with client_of(f"http://127.0.0.1:{free_port()}") as client:
            with pytest.raises(EngineUnavailable, match="does not answer"):
                await client.detect(item(), 5)

    asyncio.run(run())


def test_a_silent_engine_is_given_up_at_the_deadline() -> None:
    async def run() -> None:
        server = FakeTorchServe(lambda brands: None)
        async with server.serve() as url, client_of(url) as client:
            server.gate.clear()
            with pytest.raises(EngineUnavailable, match=r"within 0\.2 seconds"):
                await client.detect(item(), 0.2)
            server.gate.set()
            assert isinstance(await client.detect(item(), 5), Found)

    asyncio.run(run())


def test_a_full_queue_refuses_at_once_and_says_when_to_come_again() -> None:
    async def run() -> None:
        server = FakeTorchServe(lambda brands: None)
        async with server.serve() as url, client_of(url, queue=2) as client:
            for _ in range(3):
                await client.detect(item(), 5)
            server.gate.clear()
            server.arrived.clear()
            tasks = [asyncio.create_task(client.detect(item(), 5))]
            await server.arrived.wait()
            tasks += [asyncio.create_task(client.detect(item(brand), 5)) for brand in "ab"]
            await asyncio.sleep(0.02)
            with pytest.raises(Busy, match="2 pictures are waiting") as full:
                await client.detect(item("c"), 5)
            assert full.value.retry_after is not None
            assert full.value.retry_after >= 1
            server.gate.set()
            await asyncio.gather(*tasks)

    asyncio.run(run())


def test_a_flood_is_refused_as_its_own_brands_and_leaves_room() -> None:
    async def run() -> None:
        server = FakeTorchServe(lambda brands: None)
        async with server.serve() as url, client_of(url, queue=10) as client:
            server.gate.clear()
            flood = [asyncio.create_task(client.detect(item("flood"), 5)) for _ in range(40)]
            await server.arrived.wait()
            await asyncio.sleep(0.05)
            refused = [task.exception() for task in flood if task.done()]
            assert len(refused) == 40 - 8
            assert {type(error) for error in refused} == {BrandFlood}
            quiet = asyncio.create_task(client.detect(item("quiet"), 5))
            await asyncio.sleep(0.05)
            server.gate.set()
            assert isinstance(await quiet, Found)
            await asyncio.gather(*flood, return_exceptions=True)

    asyncio.run(run())


def test_what_cannot_be_answered_in_time_is_refused_at_once() -> None:
    async def run() -> None:
        server = FakeTorchServe(lambda brands: None)
        async with server.serve() as url, client_of(url) as client:
            for _ in range(3):
                await client.detect(item(), 5)
            server.gate.clear()
            server.arrived.clear()
            asked = [asyncio.create_task(client.detect(item("a"), 5))]
            await server.arrived.wait()
            asked.append(asyncio.create_task(client.detect(item("b"), 5)))
            await asyncio.sleep(0.02)
            with pytest.raises(Busy):
                await client.detect(item("c"), 1e-6)
            server.gate.set()
            await asyncio.gather(*asked)

    asyncio.run(run())


def test_the_time_that_is_left_goes_along() -> None:
    async def run() -> None:
        server = FakeTorchServe(lambda brands: None)
        async with server.serve() as url, client_of(url) as client:
            await client.detect(item(), 3)
        [sent] = server.items
        assert sent.deadline is not None
        assert 0 < sent.deadline - time.monotonic() <= 3

    asyncio.run(run())


def test_what_nobody_waits_for_any_more_is_not_sent() -> None:
    async def run() -> None:
        server = FakeTorchServe(lambda brands: None)
        async with server.serve() as url, client_of(url) as client:
            server.gate.clear()
            first = asyncio.create_task(client.detect(item("first"), 5))
            await server.arrived.wait()
            with pytest.raises(EngineUnavailable, match=r"within 0\.1 seconds"):
                await client.detect(item("late"), 0.1)
            server.gate.set()
            await first
            await client.detect(item("last"), 5)
        assert server.batches == [["first"], ["last"]]

    asyncio.run(run())


def test_an_engine_is_told_to_load_what_it_has_not_answered_for() -> None:
    async def run() -> None:
        server = FakeTorchServe(lambda brands: None)
        async with server.serve() as url, client_of(url) as client:
            client.warm("acme", "v1")
            await server.arrived.wait()
            server.arrived.clear()
            await client.detect(item(), 5)
            server.arrived.clear()
            client.warm("acme", "v1")
            client.warm("acme", "v2")
            await server.arrived.wait()
        assert [(one.version, one.pixels.size) for one in server.items] == [("v1", 0), ("v1", 12), ("v2", 0)]

    asyncio.run(run())


def test_a_worker_at_work_is_told_nothing() -> None:
    async def run() -> None:
        server = FakeTorchServe(lambda brands: None)
        async with server.serve() as url, client_of(url) as client:
            server.gate.clear()
            first = asyncio.create_task(client.detect(item(), 5))
            await server.arrived.wait()
            client.warm("other", "v1")
            server.gate.set()
            await first
        assert server.batches == [["acme"]]

    asyncio.run(run())


def brands_of(urls: list[str], url: str, count: int = 3) -> list[str]:
    """Brands whose own host is this."""
    slots = dict.fromkeys(urls, 1)
    names = (f"brand-{number}" for number in range(1000))
    return [name for name in names if rank(name, slots)[0] == url][:count]


def test_a_dead_hosts_brands_move_without_a_failure_and_come_back() -> None:
    async def run() -> None:
        first, second = FakeTorchServe(lambda brands: None), FakeTorchServe(lambda brands: None)
        port = free_port()
        async with second.serve() as other:
            url = f"http://127.0.0.1:{port}"
            brands = brands_of([url, other], url)
            async with client_of(url, other) as client:
                async with first.serve(port):
                    await asyncio.gather(*[client.detect(item(brand), 5) for brand in brands])
                    assert not second.batches
                found = await asyncio.gather(*[client.detect(item(brand), 5) for brand in brands])
                assert len(found) == len(brands)
                assert {brand for batch in second.batches for brand in batch} == set(brands)
                async with first.serve(port):
                    before = len(first.batches)
                    async with asyncio.timeout(20):
                        while len(first.batches) == before:
                            await client.detect(item(brands[0]), 5)
                            await asyncio.sleep(0.05)

    asyncio.run(run())


def test_a_silent_hosts_pictures_go_to_another() -> None:
    async def run() -> None:
        silent, other = FakeTorchServe(lambda brands: None), FakeTorchServe(lambda brands: None)
        async with silent.serve() as url, other.serve() as second:
            [brand] = brands_of([url, second], url, 1)
            async with client_of(url, second, seconds=30, silence=0.1) as client:
                silent.gate.clear()
                assert isinstance(await client.detect(item(brand), 30), Found)
        assert silent.batches == other.batches == [[brand]]

    asyncio.run(run())


def test_a_hot_brand_spreads_and_a_quiet_one_stays() -> None:
    async def run() -> None:
        home, other = FakeTorchServe(lambda brands: None), FakeTorchServe(lambda brands: None)
        async with home.serve() as url, other.serve() as second:
            [hot] = brands_of([url, second], url, 1)
            async with client_of(url, second, seconds=60, silence=60) as client:
                home.gate.clear()
                asked = [asyncio.create_task(client.detect(item(hot), 60))]
                await home.arrived.wait()
                asked += [asyncio.create_task(client.detect(item(hot), 60))]
                await asyncio.sleep(0.05)
                assert not other.batches
                asked += [asyncio.create_task(client.detect(item(hot), 60)) for _ in range(30)]
                await other.arrived.wait()
                home.gate.set()
                found = await asyncio.gather(*asked)
        assert len(found) == 32
        assert home.batches[0] == [hot]

    asyncio.run(run())


def test_stopping_refuses_what_waits_and_what_is_on_its_way() -> None:
    async def run() -> None:
        server = FakeTorchServe(lambda brands: None)
        async with server.serve() as url:
            async with client_of(url) as client:
                server.gate.clear()
                asked = [asyncio.create_task(client.detect(item(), 60))]
                await server.arrived.wait()
                asked.append(asyncio.create_task(client.detect(item(), 60)))
                await asyncio.sleep(0.02)
            for error in await asyncio.gather(*asked, return_exceptions=True):
                assert isinstance(error, EngineUnavailable)
                assert "stopping" in error.detail

    asyncio.run(run())


def test_garbage_and_missing_answers_are_no_answers() -> None:
    async def run(answer: bytes, match: str) -> None:
        server = FakeTorchServe(lambda brands: Response(answer))
        async with server.serve() as url, client_of(url) as client:
            with pytest.raises(EngineUnavailable, match=match):
                await client.detect(item(), 5)

    asyncio.run(run(b"<html>", "cannot be read"))
    asyncio.run(run(framing.write_response([]), "0 answers to 1 pictures"))


def test_an_items_own_unavailability_is_not_sent_again() -> None:
    async def run() -> None:
        refusal = framing.write_response([ModelUnavailable("corrupt")])
        server = FakeTorchServe(lambda brands: Response(refusal))
        async with server.serve() as url, client_of(url) as client:
            with pytest.raises(ModelUnavailable, match="corrupt"):
                await client.detect(item(), 5)
        assert len(server.batches) == 1

    asyncio.run(run())


def test_readiness_is_a_prediction() -> None:
    async def run() -> None:
        server = FakeTorchServe(lambda brands: None)
        async with server.serve() as url:
            await asyncio.to_thread(check_engine, [f"http://127.0.0.1:{free_port()}", url], 5)
        assert server.probes == 1

    asyncio.run(run())
    with pytest.raises(EngineUnavailable, match="No detector answers"):
        check_engine([f"http://127.0.0.1:{free_port()}"], 1)
