from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from assay_engine.errors import EngineFull
from assay_engine.popularity import Key, Popularity
from assay_engine.tiers import Tier


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        Clock.now += 1
        return Clock.now


class Loader:
    def __init__(self) -> None:
        self.loads: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.discarded: list[Key] = []
        self.room = 1 << 30

    def discard(self, key: Key, value: str) -> None:
        assert value == "/".join(key)
        self.discarded.append(key)

    def __call__(self, key: Key) -> tuple[str, int]:
        brand, version = key
        self.gate.wait(10)
        self.loads.append(brand)
        if brand == "broken":
            raise RuntimeError("cannot be loaded")
        return f"{brand}/{version}", 10


def make_tier(limit: int, loader: Loader) -> Tier[str]:
    return Tier("resident", limit, loader, Popularity(100, Clock()), loader.discard)


def use(tier: Tier[str], popularity: Popularity, brand: str) -> None:
    popularity.use((brand, "v1"))
    with tier.borrow((brand, "v1")):
        pass


def test_loads_once_and_keeps() -> None:
    loader = Loader()
    tier = make_tier(100, loader)
    for _ in range(3):
        with tier.borrow(("acme", "v1")) as value:
            assert value == "acme/v1"
    assert loader.loads == ["acme"]
    assert tier.size == 10


def test_many_threads_wait_for_one_load() -> None:
    loader = Loader()
    loader.gate.clear()
    tier = make_tier(100, loader)

    def use() -> str:
        with tier.borrow(("acme", "v1")) as value:
            return value

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(use) for _ in range(8)]
        loader.gate.set()
        assert {future.result(10) for future in futures} == {"acme/v1"}
    assert loader.loads == ["acme"]


def test_the_least_wanted_goes_first_and_is_told() -> None:
    loader, popularity = Loader(), Popularity(100, Clock())
    tier = Tier("resident", 20, loader, popularity, loader.discard)
    for brand in ("a", "a", "b", "a", "c"):
        use(tier, popularity, brand)
    assert tier.keys() == [("a", "v1"), ("c", "v1")]
    assert loader.discarded == [("b", "v1")]
    assert tier.size == 20


def test_one_scan_of_many_does_not_drive_out_what_is_used_often() -> None:
    loader, popularity = Loader(), Popularity(1000, Clock())
    tier = Tier("resident", 50, loader, popularity)
    for _ in range(10):
        for brand in ("a", "b", "c"):
            use(tier, popularity, brand)
    for place in range(40):
        use(tier, popularity, str(place))
    assert {("a", "v1"), ("b", "v1"), ("c", "v1")} <= set(tier.keys())


def test_pinned_ones_stay_until_others_are_pinned() -> None:
    loader, popularity = Loader(), Popularity(100, Clock())
    tier = Tier("resident", 20, loader, popularity)
    use(tier, popularity, "a")
    tier.pin(frozenset({("a", "v1")}))
    for brand in "bcbcbcbd":
        use(tier, popularity, brand)
    assert ("a", "v1") in tier
    tier.pin(frozenset())
    use(tier, popularity, "c")
    assert ("a", "v1") not in tier


def test_when_memory_ends_before_the_limit_others_are_given_up() -> None:
    loader, popularity = Loader(), Popularity(100, Clock())

    def load(key: Key) -> tuple[str, int]:
        if len(tier) >= 3:
            raise MemoryError
        return loader(key)

    tier = Tier("resident", 1 << 30, load, popularity)
    for brand in "abcdef":
        use(tier, popularity, brand)
    assert tier.keys() == [("d", "v1"), ("e", "v1"), ("f", "v1")]
    with tier.borrow(("d", "v1")), tier.borrow(("e", "v1")), tier.borrow(("f", "v1")):
        with pytest.raises(EngineFull, match="brand 'g'"):
            tier.borrow(("g", "v1"))
        assert len(tier) == 3
    use(tier, popularity, "g")


def test_what_proved_no_good_is_loaded_again() -> None:
    loader = Loader()
    tier = make_tier(100, loader)
    with tier.borrow(("a", "v1")) as value:
        tier.drop(("a", "v1"))
        tier.drop(("a", "v1"))
        assert value == "a/v1"
    assert (tier.size, len(tier)) == (0, 0)
    assert loader.discarded == [("a", "v1")]
    with tier.borrow(("a", "v1")):
        assert loader.loads == ["a", "a"]


def test_what_others_brought_and_took_is_counted_once() -> None:
    loader = Loader()
    tier = make_tier(100, loader)
    for _ in range(2):
        tier.adopt(("a", "v1"), "a/v1", 30)
    assert tier.size == tier.size_of(("a", "v1")) == 30
    with tier.borrow(("a", "v1")):
        pass
    assert loader.loads == []
    tier.forget(("a", "v1"))
    tier.forget(("a", "v1"))
    assert (tier.size, len(tier), loader.discarded) == (0, 0, [])


def test_only_what_is_here_is_lent() -> None:
    tier = make_tier(100, Loader())
    assert tier.lend(("a", "v1")) is None
    with tier.borrow(("a", "v1")):
        pass
    loan = tier.lend(("a", "v1"))
    assert loan is not None
    with loan as value:
        assert value == "a/v1"


def test_what_is_in_use_stays_until_it_is_not() -> None:
    tier = make_tier(10, Loader())
    with tier.borrow(("a", "v1")), tier.borrow(("b", "v1")):
        assert ("a", "v1") in tier
        assert ("b", "v1") in tier
        assert tier.size == 20
    assert tier.size == 10


def test_a_failed_load_is_told_to_all_and_tried_again() -> None:
    loader = Loader()
    tier = make_tier(100, loader)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="cannot be loaded"), tier.borrow(("broken", "v1")):
            pass
    assert loader.loads == ["broken", "broken"]
    assert len(tier) == 0
