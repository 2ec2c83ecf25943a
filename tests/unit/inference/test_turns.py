"""Turns at cores and workers: who is begun when, by counts."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_inference.errors import BrandFlood, Busy
from assay_inference.turns import SPARE, Turns

BRANDS = st.sampled_from("abcd")


class Steps:
    """Steps of brands at `turns`, which end when told; `begun` and `ended` by name."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.begun: list[str] = []
        self.waiting: Counter[str] = Counter()
        self.in_hand: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str) -> None:
        """A step comes; its brand is the first letter of its name."""
        self.waiting[name[0]] += 1
        self.tasks[name] = asyncio.create_task(self._run(name))
        await settle()

    async def end(self, name: str) -> None:
        self.in_hand[name].set()
        await settle()

    async def end_oldest(self, brand: str = "") -> None:
        await self.end(next(name for name in self.in_hand if name.startswith(brand)))

    async def stop(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def _run(self, name: str) -> None:
        over = asyncio.Event()
        try:
            async with self.turns.take(name[0]):
                self.waiting[name[0]] -= 1
                self.begun.append(name)
                self.in_hand[name] = over
                await over.wait()
        finally:
            if self.in_hand.pop(name, None) is None:
                self.waiting[name[0]] -= 1


async def settle() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


def make_turns(places: int, limit: int = 1000, seconds: float = 60) -> Turns:
    return Turns("cores", places, limit, seconds)


@given(
    places=st.integers(1, 4),
    actions=st.lists(st.one_of(BRANDS, st.integers(0, 9)), max_size=60),
)
def test_no_place_is_idle_while_somebody_waits_and_nobody_overtakes_its_own(
    places: int, actions: list[str | int]
) -> None:
    async def run() -> None:
        steps = Steps(make_turns(places))
        for number, action in enumerate(actions):
            if isinstance(action, str):
                await steps.come(f"{action}{number:03}")
            elif steps.in_hand:
                await steps.end(list(steps.in_hand)[action % len(steps.in_hand)])
            waiting = {brand for brand, count in steps.waiting.items() if count}
            in_hand = Counter(name[0] for name in steps.in_hand)
            assert in_hand.total() <= places + SPARE
            assert not waiting or in_hand.total() >= places
            assert in_hand.total() == places + SPARE or all(in_hand[brand] for brand in waiting)
        for brand in "abcd":
            own = [name for name in steps.begun if name[0] == brand]
            assert own == sorted(own)
        while steps.in_hand:
            await steps.end_oldest()
        assert len(steps.begun) == sum(isinstance(action, str) for action in actions)

    asyncio.run(run())


@given(flood=st.integers(1, 100), places=st.integers(2, 8))
def test_beside_a_flood_a_brand_is_begun_at_once_and_loses_a_third_of_its_speed_at_most(
    flood: int, places: int
) -> None:
    async def run() -> None:
        steps = Steps(make_turns(places))
        for number in range(flood):
            await steps.come(f"f{number:03}")
        for number in range(20):
            await steps.come(f"q{number:03}")
            assert steps.begun[-1] == f"q{number:03}"
            # As many cores as places, shared by what is in hand.
            assert len(steps.in_hand) / places <= 1.5
            await steps.end_oldest("q")
            if any(name.startswith("f") for name in steps.in_hand):
                await steps.end_oldest("f")
        await steps.stop()

    asyncio.run(run())


def test_several_brands_beside_a_flood_go_before_its_next() -> None:
    async def run() -> None:
        steps = Steps(make_turns(2))
        for number in range(10):
            await steps.come(f"f{number}")
        for name in ("a0", "b0", "c0"):
            await steps.come(name)
        assert steps.begun == ["f0", "f1", "a0"]
        await steps.end("f0")
        await steps.end("a0")
        assert steps.begun == ["f0", "f1", "a0", "b0", "c0"]
        await steps.end("b0")
        await steps.end("f1")
        assert steps.begun[5:] == ["f2"]
        await steps.stop()

    asyncio.run(run())


def test_a_flood_is_refused_before_others_are() -> None:
    async def run() -> None:
        steps = Steps(make_turns(1, limit=10))
        for number in range(9):
            await steps.come(f"f{number}")
        with pytest.raises(BrandFlood, match="brand 'f' wait"):
            async with steps.turns.take("f"):
                pass
        await steps.come("a0")
        await steps.come("a1")
        assert not steps.tasks["a1"].done()
        await steps.come("b0")
        with pytest.raises(Busy, match="10 steps"):
            async with steps.turns.take("c"):
                pass
        await steps.stop()

    asyncio.run(run())


def test_who_waits_too_long_is_refused_and_leaves_its_place_to_others() -> None:
    async def run() -> None:
        turns = make_turns(1, seconds=1)
        async with turns.take("a"), turns.take("b"):
            with pytest.raises(Busy, match="waited 1 seconds"):
                async with turns.take("c"):
                    pass
        for _ in range(3):
            async with turns.take("a"), turns.take("b"):
                pass

    asyncio.run(run())


@given(moments=st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_whoever_gives_up_at_whatever_moment_no_place_is_lost(moments: list[int]) -> None:
    async def wait_in_line(turns: Turns) -> None:
        async with turns.take("a"):
            await asyncio.sleep(0)

    async def run() -> None:
        turns = make_turns(1)
        for moment in moments:
            tasks = [asyncio.create_task(wait_in_line(turns)) for _ in range(3)]
            for _ in range(moment):
                await asyncio.sleep(0)
            tasks[0].cancel()
            tasks[1].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert not turns._held
        async with turns.take("a"), turns.take("b"):
            pass

    asyncio.run(run())
