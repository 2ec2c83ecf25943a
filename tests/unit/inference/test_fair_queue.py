from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assay_engine.framing import Found, Item
from assay_inference.fair_queue import FairQueue, Waiting

PIXELS = np.zeros((0, 0, 3), np.uint8)
BRANDS = st.sampled_from("abcd")


def picture(brand: str, version: str = "v1", **fields: object) -> Waiting:
    answer: asyncio.Future[Found] = asyncio.Future(loop=LOOP)
    return Waiting(Item(brand, version, PIXELS), time.monotonic() + 60, answer, **fields)  # type: ignore[arg-type]


LOOP = asyncio.new_event_loop()
LOOP.close()


def anybody(_: Waiting) -> bool:
    return True


def brands(batch: list[Waiting]) -> str:
    return "".join(waiting.item.brand for waiting in batch)


def fill(names: str) -> FairQueue[Waiting]:
    queue = FairQueue[Waiting](1000)
    for place, brand in enumerate(names):
        queue.add(picture(brand, str(place)))
    return queue


def test_brands_take_turns_and_each_is_served_in_order() -> None:
    queue = fill("aaaaabac")
    first = queue.take(4, anybody)
    assert brands(first) == "abca"
    assert brands(queue.take(4, anybody)) == "aaaa"
    assert len(queue) == 0


@given(arrivals=st.lists(BRANDS, max_size=60), size=st.integers(1, 16))
def test_nobody_is_more_than_one_ahead_of_anybody_who_waits(arrivals: list[str], size: int) -> None:
    queue = fill("".join(arrivals))
    waiting = Counter(arrivals)
    served: Counter[str] = Counter()
    taken: dict[str, list[int]] = {}
    while batch := queue.take(size, anybody):
        for one in batch:
            brand = one.item.brand
            served[brand] += 1
            waiting[brand] -= 1
            taken.setdefault(brand, []).append(int(one.item.version))
            still = [served[other] for other in waiting if waiting[other]]
            assert not still or served[brand] <= min(still) + 1
    assert served == Counter(arrivals)
    assert all(order == sorted(order) for order in taken.values())


@given(arrivals=st.lists(BRANDS, max_size=60), size=st.integers(1, 16), each=st.integers(1, 4))
def test_no_brand_fills_a_batch_that_others_may_need(arrivals: list[str], size: int, each: int) -> None:
    queue = fill("".join(arrivals))
    served: Counter[str] = Counter()
    while batch := queue.take(size, anybody, each):
        assert max(Counter(brands(batch)).values()) <= each
        served.update(brands(batch))
    assert served == Counter(arrivals)


@given(flood=st.integers(1, 200), size=st.integers(1, 16))
def test_however_many_a_flood_sends_the_next_brand_is_in_the_next_batch(flood: int, size: int) -> None:
    queue = fill("f" * flood)
    queue.take(size, anybody)
    queue.add(picture("q"))
    assert "q" in brands(queue.take(max(2, size), anybody))


def test_a_brand_that_comes_anew_goes_before_the_next_of_a_flood() -> None:
    queue = fill("ffff")
    queue.take(1, anybody)
    queue.add(picture("q"))
    assert brands(queue.take(1, anybody)) == "q"


def test_coming_again_at_once_gains_nothing() -> None:
    queue = fill("ffffff")
    queue.take(1, anybody)
    served = ""
    for _ in range(4):
        queue.add(picture("q"))
        served += brands(queue.take(1, anybody)) + brands(queue.take(1, anybody))
    assert served == "qf" * 4


def test_a_brand_that_may_not_go_keeps_its_turn_and_its_order() -> None:
    queue = fill("aabb")
    assert brands(queue.take(3, lambda head: head.item.brand == "b")) == "bb"
    assert [one.item.version for one in queue.take(3, anybody)] == ["0", "1"]


def test_what_nobody_waits_for_is_dropped() -> None:
    queue = FairQueue[Waiting](10)
    late = picture("a")
    late.deadline = 0
    done = picture("a")
    done.answer.set_result(
        Found(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    )
    good = picture("a")
    for one in (late, good, done):
        queue.add(one)
    queue.clean()
    assert len(queue) == 1
    queue.add(late)
    assert queue.take(5, anybody) == [good]
    assert (len(queue), queue.counts()) == (0, {})


def test_one_that_must_be_alone_comes_alone() -> None:
    queue = fill("ab")
    queue.put_back(picture("c", alone=True))
    queue.put_back(picture("a", "again"))
    assert brands(queue.take(8, anybody)) == "aba"
    assert brands(queue.take(8, anybody)) == "c"


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("add"), BRANDS),
            st.tuples(st.just("back"), BRANDS),
            st.tuples(st.just("take"), st.integers(1, 8)),
        ),
        max_size=60,
    )
)
def test_nothing_is_lost_or_counted_twice(steps: list[tuple[str, str | int]]) -> None:
    queue = FairQueue[Waiting](1000)
    here: set[int] = set()
    kept = []
    actions: dict[str, Callable[[Waiting], None]] = {"add": queue.add, "back": queue.put_back}
    for step, what in steps:
        if isinstance(what, str):
            kept.append(picture(what))
            here.add(id(kept[-1]))
            actions[step](kept[-1])
        else:
            here -= {id(one) for one in queue.take(what, anybody)}
        assert len(queue) == len(here) == sum(queue.counts().values())
    assert {id(one) for one in queue.drain()} == here
    assert len(queue) == 0
