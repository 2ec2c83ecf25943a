from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_engine import popularity as module
from assay_engine.popularity import Popularity

HALF_LIFE = 100.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def count(uses: list[float], now: float) -> float:
    return float(sum(2 ** ((used - now) / HALF_LIFE) for used in uses))


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 200)), min_size=1, max_size=60))
def test_ranks_are_ordered_as_decayed_counts(steps: list[tuple[int, float]]) -> None:
    clock = Clock()
    popularity = Popularity(HALF_LIFE, clock)
    uses: dict[int, list[float]] = {}
    for brand, pause in steps:
        clock.now += pause
        popularity.use((str(brand), "v1"))
        uses.setdefault(brand, []).append(clock.now)
    for brand, times in uses.items():
        # The rank is the moment at which the count is 1.
        assert count(times, popularity.rank((str(brand), "v1"))) == pytest.approx(1, rel=1e-6)


def test_a_version_no_longer_asked_for_is_wanted_by_nobody() -> None:
    popularity = Popularity(HALF_LIFE, Clock())
    for _ in range(50):
        popularity.use(("acme", "v1"))
    popularity.use(("bolt", "v1"))
    popularity.use(("acme", "v2"))
    order = sorted([("acme", "v2"), ("bolt", "v1"), ("acme", "v1")], key=popularity.rank)
    assert order == [("acme", "v1"), ("bolt", "v1"), ("acme", "v2")]


def test_what_was_just_used_goes_last() -> None:
    clock = Clock()
    popularity = Popularity(HALF_LIFE, clock)
    for _ in range(50):
        popularity.use(("acme", "v1"))
    clock.now += 10
    popularity.use(("bolt", "v1"))
    assert max([("acme", "v1"), ("bolt", "v1")], key=popularity.order) == ("bolt", "v1")
    clock.now += module.RECENT_SECONDS
    assert max([("acme", "v1"), ("bolt", "v1")], key=popularity.order) == ("acme", "v1")


def test_an_old_rank_counts_until_the_brand_is_used() -> None:
    clock = Clock()
    popularity = Popularity(HALF_LIFE, clock)
    popularity.remember(("acme", "v1"), clock.now + 500)
    popularity.remember(("acme", "v0"), clock.now + 400)
    assert popularity.rank(("acme", "v1")) == clock.now + 500
    assert popularity.rank(("acme", "v0")) == 0
    popularity.use(("acme", "v1"))
    popularity.remember(("acme", "v1"), clock.now + 9000)
    assert clock.now + 500 < popularity.rank(("acme", "v1")) < clock.now + 600


def test_histories_are_bounded_and_the_wanted_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BRANDS", 100)
    clock = Clock()
    popularity = Popularity(HALF_LIFE, clock)
    for _ in range(20):
        popularity.use(("acme", "v1"))
    for brand in range(1000):
        popularity.use((str(brand), "v1"))
    assert popularity.rank(("acme", "v1")) > clock.now + HALF_LIFE
    assert sum(popularity.rank((str(brand), "v1")) > 0 for brand in range(1000)) <= 100


def test_a_clock_that_jumps_back_breaks_nothing() -> None:
    clock = Clock()
    popularity = Popularity(HALF_LIFE, clock)
    popularity.use(("acme", "v1"))
    clock.now -= 1e9
    popularity.use(("acme", "v1"))
    assert popularity.rank(("acme", "v1")) <= clock.now + 61 * HALF_LIFE
