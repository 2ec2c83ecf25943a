from __future__ import annotations

import asyncio
import time
from itertools import islice

import numpy as np

from assay_engine.framing import Found, Item
from assay_inference.engine_hosts import Host, Hosts, rank
from assay_inference.fair_queue import FairQueue, Waiting
from assay_inference.routing import Router

LOOP = asyncio.new_event_loop()
LOOP.close()
PIXELS = np.zeros((0, 0, 3), np.uint8)


class Setup:
    """Hosts whose pace is known, a queue, and a router; batches of one, unless more are said."""

    def __init__(
        self, slots: list[int], seconds: float = 0.04, reserve: float = 60.0, batch: int = 1
    ) -> None:
        self.list = [Host(f"http://host-{place}", number, 60) for place, number in enumerate(slots)]
        for host in self.list:
            host.pace.note(1, seconds)
        self.hosts = Hosts(self.list)
        self.queue = FairQueue[Waiting](1000)
        self.router = Router(self.queue, self.hosts, batch, reserve)

    def add(self, brand: str, count: int = 1) -> None:
        for _ in range(count):
            answer: asyncio.Future[Found] = asyncio.Future(loop=LOOP)
            self.queue.add(Waiting(Item(brand, "v1", PIXELS), time.monotonic() + 60, answer))
            self.router.note_arrival(brand)

    def route(self) -> list[tuple[str, str, bool]]:
        """Brand, host and whether it is a guest there, of what goes now; it stays in hand."""
        routed = []
        for host, batch, guests in self.router.route():
            host.take({waiting.item.brand for waiting in batch})
            routed += [(waiting.item.brand, host.url, guests) for waiting in batch]
        return routed

    def brand_of(self, place: int, skip: int = 0) -> str:
        """A brand whose own host is this one."""
        slots = {host.url: host.slots for host in self.list}
        names = (f"brand-{number}" for number in range(10_000))
        own = (name for name in names if rank(name, slots)[0] == self.list[place].url)
        return next(islice(own, skip, None))


def test_each_brand_goes_to_its_own_host() -> None:
    setup = Setup([2, 2, 2])
    brands = [setup.brand_of(place) for place in range(3)]
    for brand in brands:
        setup.add(brand)
    assert sorted(setup.route()) == sorted(
        (brand, f"http://host-{place}", False) for place, brand in enumerate(brands)
    )


def test_a_brand_that_waits_long_spreads_to_its_second_then_its_third_host() -> None:
    setup = Setup([1, 1, 1])
    brand = setup.brand_of(0)
    order = [host.url for host in setup.hosts.order_for(brand)]
    setup.add(brand, 3)
    assert setup.route() == [(brand, order[0], False)]
    setup.add(brand, 2)
    assert setup.route() == [(brand, order[1], True)]
    assert setup.route() == []
    setup.add(brand, 3)
    assert setup.route() == [(brand, order[2], True)]


def test_a_host_takes_guests_only_after_its_own() -> None:
    setup = Setup([1, 1])
    hot, own = setup.brand_of(0), setup.brand_of(1)
    setup.add(hot, 50)
    setup.add(own)
    assert setup.route() == [(hot, "http://host-0", False), (own, "http://host-1", False)]


def test_many_brands_of_one_host_spread_too() -> None:
    setup = Setup([1, 1])
    for skip in range(20):
        setup.add(setup.brand_of(0, skip))
    assert [guest for _, _, guest in setup.route()] == [False, True]


def test_a_lost_hosts_brands_go_to_their_next_at_once() -> None:
    setup = Setup([1, 1, 1])
    brand = setup.brand_of(1)
    _, second, _ = setup.hosts.order_for(brand)
    setup.list[1].lose("test")
    setup.add(brand)
    assert setup.route() == [(brand, second.url, False)]


def test_a_flood_leaves_the_last_worker_to_others() -> None:
    setup = Setup([3])
    setup.add("quiet")
    assert setup.route() == [("quiet", "http://host-0", False)]
    setup.list[0].release({"quiet"})
    setup.add("flood", 10)
    assert len(setup.route()) == 2
    setup.add("other")
    assert setup.route() == [("other", "http://host-0", False)]


def test_a_flood_takes_a_worker_for_a_short_time_while_others_may_come() -> None:
    setup = Setup([2], seconds=0.01, batch=8)
    setup.add("flood", 20)
    assert len(setup.route()) == 16
    setup.list[0].release({"flood"})
    setup.list[0].release({"flood"})
    setup.add("quiet")
    # 20 ms of the flood beside the other's picture; the last worker is kept free.
    assert [brand for brand, _, _ in setup.route()] == ["quiet", "flood", "flood"]


def test_a_brand_alone_has_all_workers() -> None:
    setup = Setup([3])
    setup.add("flood", 10)
    assert len(setup.route()) == 3
    forgetful = Setup([3], reserve=0)
    forgetful.add("quiet")
    forgetful.add("flood", 10)
    assert len(forgetful.route()) == 3


def test_two_floods_have_all_workers() -> None:
    setup = Setup([2])
    setup.add("a", 10)
    setup.add("b", 10)
    assert sorted(brand for brand, _, _ in setup.route()) == ["a", "b"]


def test_a_single_worker_is_never_kept_free() -> None:
    setup = Setup([1])
    setup.add("quiet")
    setup.route()
    setup.list[0].release({"quiet"})
    setup.add("flood", 3)
    assert [brand for brand, _, _ in setup.route()] == ["flood"]
