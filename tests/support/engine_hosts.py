"""One caller and several engine hosts: brands whose answers tell whose they are, and which host gave them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from prometheus_client import REGISTRY

from assay_engine.framing import Item
from assay_inference.engine_client import EngineClient
from assay_inference.engine_hosts import rank
from deploy.local.supervisor import Supervisor
from tests.support.live_model import publish_model, telling_weights
from tests.support.serving import Ground

SIDE = 64
PICTURE = np.full((SIDE, SIDE, 3), 90, np.uint8)


@dataclass(frozen=True)
class Engines:
    """Engines by address, each a program of its own; `brands` with the confidence that each one's detector
    finds everything with."""

    supervisor: Supervisor
    programs: dict[str, str]
    brands: dict[str, float]

    def own_brands(self, url: str) -> list[str]:
        """The brands that belong to a host while all live."""
        slots = dict.fromkeys(self.programs, 1)
        return [brand for brand in self.brands if rank(brand, slots)[0] == url]

    async def ask(self, client: EngineClient, brand: str) -> None:
        """One picture; the answer must be the brand's own."""
        found = await client.detect(Item(brand, "mdl_1", PICTURE), 60)
        assert len(found.confidences)
        assert found.confidences == pytest.approx(self.brands[brand], abs=0.003)

    async def ask_all(self, client: EngineClient, at_once: int) -> None:
        """All brands once."""
        brands = list(self.brands)
        for start in range(0, len(brands), at_once):
            await asyncio.gather(*[self.ask(client, brand) for brand in brands[start : start + at_once]])

    async def ask_until_shared(self, client: EngineClient) -> None:
        """Asks all brands one after another, over and over, until every host has answered for its own brands
        and no others: one that a busy machine holds up is left aside for a moment."""
        wanted = {url: len(self.own_brands(url)) for url in self.programs}
        end = time.monotonic() + 120
        while True:
            before = {url: pictures_of(url) for url in self.programs}
            await self.ask_all(client, at_once=1)
            shares = {url: int(pictures_of(url) - count) for url, count in before.items()}
            if shares == wanted:
                return
            assert time.monotonic() < end, f"{shares} instead of {wanted}"


def publish_brands(ground: Ground, urls: Sequence[str], each: int) -> dict[str, float]:
    """Publishes as many brands for each host, and returns their confidences."""
    chosen: dict[str, list[str]] = {url: [] for url in urls}
    number = 0
    while any(len(own) < each for own in chosen.values()):
        brand = f"brand-{number}"
        own = chosen[rank(brand, dict.fromkeys(urls, 1))[0]]
        if len(own) < each:
            own.append(brand)
        number += 1
    names = [brand for own in chosen.values() for brand in own]
    brands = {brand: 0.6 + 0.02 * place for place, brand in enumerate(names)}
    for brand, confidence in brands.items():
        publish_model(ground.store, brand, "mdl_1", telling_weights(confidence), SIDE)
    return brands


@asynccontextmanager
async def caller(engines: Engines, silence_seconds: float = 1.5) -> AsyncIterator[EngineClient]:
    """A client of all hosts, with one slot each."""
    urls = list(engines.programs)
    client = EngineClient(urls, [1] * len(urls), 16, 64, 20, silence_seconds=silence_seconds)
    client.start()
    try:
        yield client
    finally:
        await client.stop()


def is_up(url: str) -> bool:
    """Whether the caller sends this host pictures."""
    return _read("assay_engine_host_up", url) == 1


def pictures_of(url: str) -> float:
    """Pictures that this host has answered for."""
    return _read("assay_engine_host_pictures_total", url)


def _read(name: str, url: str) -> float:
    return REGISTRY.get_sample_value(name, {"host": url}) or 0.0
