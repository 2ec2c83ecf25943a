from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from assay_engine import framing
from assay_engine.errors import ModelUnavailable
from assay_engine.framing import Found, Item
from assay_inference.engine_client import EngineClient, check_engine
from assay_shared.errors import AssayError, EngineUnavailable, NotFound
from deploy.local.ports import free_port

BOX = Found(np.ones((1, 4), np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))


def item(brand: str = "acme") -> Item:
    return Item(brand, "v1", np.zeros((2, 2, 3), np.uint8))


class FakeTorchServe:
    """Speaks the engine's frames over real HTTP; `behave` says what becomes of a request's items."""

    def __init__(self, behave: Callable[[list[str]], Response | None]) -> None:
        self.batches: list[list[str]] = []
        self.arrived = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self._behave = behave

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        app = FastAPI()

        @app.post("/predictions/engine")
        async def predict(request: Request) -> Response:
            brands = [one.brand for one in framing.read_request(await request.body())]
            self.batches.append(brands)
            self.arrived.set()
            await self.gate.wait()
            special = self._behave(brands)
            if special is not None:
                return special
            results: list[Found | AssayError] = [
                NotFound("no such brand") if brand == "nobody" else BOX for brand in brands
            ]
            return Response(framing.write_response(results))

        port = free_port()
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
    *urls: str, slots: int = 1, queue: int = 64, seconds: float = 5
) -> AsyncIterator[EngineClient]:
    client = EngineClient(list(urls), slots, 16, queue, seconds)
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


def test_a_full_queue_refuses_at_once() -> None:
    async def run() -> None:
        server = FakeTorchServe(lambda brands: None)
        async with server.serve() as url, client_of(url, queue=2) as client:
            server.gate.clear()
            tasks = [asyncio.create_task(client.detect(item(), 5))]
            await server.arrived.wait()
            tasks += [asyncio.create_task(client.detect(item(), 5)) for _ in range(2)]
            await asyncio.sleep(0.02)
            with pytest.raises(EngineUnavailable, match="2 pictures are waiting"):
                await client.detect(item(), 5)
            server.gate.set()
            await asyncio.gather(*tasks)

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
        assert server.batches == [[]]

    asyncio.run(run())
    with pytest.raises(EngineUnavailable, match="No detector answers"):
        check_engine([f"http://127.0.0.1:{free_port()}"], 1)
