"""What callers of the engine see beside a flood, and under too much load: `python -m bench.callers
[flood] [overload]`.

Real object store and TorchServe, a worker a core; pictures of SIDE pixels, ready for the engine, from one
process, so that neither decoding nor checks count. Slices of the cases take turns, since the machine may have
other work. The peer is a plain queue: as many requests at once as there are workers, first come first served.

    flood      QUIET brands send at random times, QUIET_LOAD of capacity in all; then one brand more, which
               has FLOOD requests open all the time. Their p99 with it over without it; target <= 1.5
    overload   OVERLOAD times capacity, from all brands alike, for 60 s: answered within DEADLINE, over
               capacity; target >= 0.9; the p99 of what was accepted, target <= DEADLINE; nobody hangs
"""

from __future__ import annotations

import asyncio
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import numpy as np

from assay_engine.framing import Found, Item
from assay_inference.engine_calls import ask, make_client
from assay_inference.engine_client import EngineClient
from assay_shared.errors import AssayError, TooManyRequests, Unavailable
from bench.callers_stack import VERSION, WORKERS, Stack, run_stack

SIDE = 160
QUIET = 6
QUIET_LOAD = 0.3
FLOOD = 40
OVERLOAD = 3.0
DEADLINE = 3.0
SLICES = int(os.environ.get("BENCH_SLICES", "4"))
FLOOD_SECONDS, OVERLOAD_SECONDS = 12.0, 15.0
CAPACITY_SECONDS = 5.0
FAIR_TARGET, GOODPUT_TARGET = 1.5, 0.9

Detect = Callable[[Item, float], Awaitable[Found]]


@dataclass
class Seen:
    """What callers saw: seconds of answers in time, how many came late, errors by their type."""

    seconds: list[float] = field(default_factory=list)
    late: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    without_retry_after: int = 0

    def p99(self) -> float:
        """Milliseconds."""
        return float(np.percentile(self.seconds, 99)) * 1e3 if self.seconds else float("nan")


async def main() -> int:
    """Runs and prints; 0 if all targets are met."""
    with run_stack(QUIET + 1, SIDE) as stack:
        async with fair(stack) as ours, plain(stack) as peer:
            brands = list(stack.brands)
            for _ in range(3):
                await measure_capacity(ours, brands)
            parts = {"flood": flood, "overload": overload}
            met = [await parts[name](ours, peer, brands) for name in sys.argv[1:] or parts]
            return int(not all(met))


@asynccontextmanager
async def fair(stack: Stack) -> AsyncIterator[Detect]:
    """The verify API's own way."""
    client = EngineClient([stack.engine], [WORKERS], 16, 64, 10)
    client.start()
    try:
        yield client.detect
    finally:
        await client.stop()


@asynccontextmanager
async def plain(stack: Stack) -> AsyncIterator[Detect]:
    """The peer: no turns, no limit."""
    workers = asyncio.Semaphore(WORKERS)
    http: httpx.AsyncClient = make_client(10, WORKERS)

    async def detect(item: Item, deadline_seconds: float) -> Found:
        async with asyncio.timeout(deadline_seconds), workers:
            [result] = await ask(http, stack.engine, [item])
        if isinstance(result, AssayError):
            raise result
        return result

    try:
        yield detect
    finally:
        await http.aclose()


async def measure_capacity(detect: Detect, brands: list[str], seconds: float = CAPACITY_SECONDS) -> float:
    """Pictures a second with always enough to do."""
    end = time.monotonic() + seconds
    count = 0

    async def keep_asking(place: int) -> None:
        nonlocal count
        while time.monotonic() < end:
            await detect(picture(brands[place % len(brands)]), 60)
            count += 1

    started = time.monotonic()
    await asyncio.gather(*[keep_asking(place) for place in range(4 * WORKERS)])
    return count / (time.monotonic() - started)


async def flood(ours: Detect, peer: Detect, brands: list[str]) -> bool:
    """Prints what quiet brands see; whether the target is met."""
    cases = {name: Seen() for name in ("ours", "ours, flood", "plain", "plain, flood")}
    flooded = {name: Seen() for name in cases}
    rates = []
    for _ in range(SLICES):
        rates.append(await measure_capacity(ours, brands))
        for name, quiet in cases.items():
            detect = ours if name.startswith("ours") else peer
            async with asyncio.TaskGroup() as group:
                group.create_task(
                    send_randomly(detect, brands[1:], QUIET_LOAD * rates[-1], FLOOD_SECONDS, 20.0, quiet)
                )
                if "flood" in name:
                    for _ in range(FLOOD):
                        group.create_task(keep_flooding(detect, brands[0], FLOOD_SECONDS, flooded[name]))
    print(f"{platform.machine()}, {WORKERS} cores, {QUIET} quiet brands at {QUIET_LOAD:.0%} of capacity")
    print(f"capacity {statistics.median(rates):.1f} pictures/s ({min(rates):.1f} to {max(rates):.1f})")
    for name, quiet in cases.items():
        p50 = statistics.median(quiet.seconds) * 1e3
        print(
            f"{name:14}{len(quiet.seconds):6} answers  p50{p50:8.0f} ms  p99{quiet.p99():8.0f} ms  refused "
            f"{quiet.refused or 0}   the flood: {len(flooded[name].seconds)} answers, {flooded[name].refused}"
        )
    ratio = cases["ours, flood"].p99() / cases["ours"].p99()
    print(
        f"p99 with the flood over without: {ratio:.2f} (target <= {FAIR_TARGET}), "
        f"plain queue {cases['plain, flood'].p99() / cases['plain'].p99():.2f}",
        flush=True,
    )
    return ratio <= FAIR_TARGET and not cases["ours, flood"].refused


async def overload(ours: Detect, peer: Detect, brands: list[str]) -> bool:
    """Prints what comes through under too much load; whether the targets are met."""
    cases = {"ours": Seen(), "plain": Seen()}
    rates = []
    hung = 0
    for _ in range(SLICES):
        for name, seen in cases.items():
            rates.append(await measure_capacity(ours, brands))
            detect = ours if name == "ours" else peer
            started = time.monotonic()
            await send_randomly(detect, brands, OVERLOAD * rates[-1], OVERLOAD_SECONDS, DEADLINE, seen)
            hung += time.monotonic() - started > OVERLOAD_SECONDS + DEADLINE + 1
    capacity = statistics.mean(rates)
    print(f"overload {OVERLOAD:g}x of {capacity:.1f} pictures/s, {SLICES} x {OVERLOAD_SECONDS:g} s")
    for name, seen in cases.items():
        goodput = len(seen.seconds) / (SLICES * OVERLOAD_SECONDS)
        print(
            f"{name:8}goodput {goodput:.1f}/s = {goodput / capacity:.2f}x  p99 {seen.p99():.0f} ms  "
            f"late {seen.late}  refused {seen.refused}  without Retry-After {seen.without_retry_after}"
        )
    goodput = len(cases["ours"].seconds) / (SLICES * OVERLOAD_SECONDS) / capacity
    print(
        f"goodput over capacity {goodput:.2f} (target >= {GOODPUT_TARGET}), accepted and late "
        f"{cases['ours'].late} (target < 1 %), slices that hung {hung} (target 0)"
    )
    accepted = len(cases["ours"].seconds) + cases["ours"].late
    return goodput >= GOODPUT_TARGET and cases["ours"].late < accepted / 100 and not hung


async def send_randomly(
    detect: Detect, brands: list[str], rate: float, seconds: float, deadline: float, seen: Seen
) -> None:
    """Sends pictures of any of these brands at random times, `rate` a second (Poisson), whatever happens to
    them; ends when the last is answered."""
    rng = random.Random(1)
    async with asyncio.TaskGroup() as group:
        due = time.monotonic()
        end = due + seconds
        while (due := due + rng.expovariate(rate)) < end:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            group.create_task(send(detect, rng.choice(brands), deadline, seen, due))


async def keep_flooding(detect: Detect, brand: str, seconds: float, seen: Seen) -> None:
    """One picture after the other; sends again soon, whatever it is told."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not await send(detect, brand, 20.0, seen, time.monotonic()):
            await asyncio.sleep(0.1)


async def send(detect: Detect, brand: str, deadline: float, seen: Seen, due: float) -> bool:
    """One picture that was due at this time; whether it was answered."""
    try:
        await detect(picture(brand), deadline)
    except (TooManyRequests, Unavailable) as error:
        if "within" in error.detail:
            seen.late += 1
        else:
            seen.refused[error.type] = seen.refused.get(error.type, 0) + 1
        seen.without_retry_after += error.retry_after is None
        return False
    except TimeoutError:
        seen.late += 1
        return False
    seen.seconds.append(time.monotonic() - due)
    return True


def picture(brand: str) -> Item:
    """One for the engine."""
    return Item(brand, VERSION, np.full((SIDE, SIDE, 3), 90, np.uint8))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
