from __future__ import annotations

import asyncio
import os
import threading

from assay_inference.cores import Cores


def test_another_brands_work_runs_while_a_flood_has_all_cores() -> None:
    over = threading.Event()
    begun = list[str]()

    def hold(name: str) -> None:
        begun.append(name)
        assert over.wait(60)

    async def run() -> None:
        cores = Cores(100, 60)
        count = len(os.sched_getaffinity(0))
        held = [asyncio.create_task(cores.run("flood", lambda: hold("flood"))) for _ in range(count + 5)]
        await asyncio.sleep(0)
        try:
            assert await cores.run("other", lambda: len(begun)) <= count
        finally:
            over.set()
        await asyncio.gather(*held)
        assert begun == ["flood"] * (count + 5)

    asyncio.run(run())
