"""A thousand brands by Zipf's law, a hundred of them in memory: `python -m bench.engine_zipf_times`.

The engine as a library, in this process, with OpenVINO in f32 on one thread as in a worker, photos of 4:3,
all brands' weights on disk (5 GB), one request after another: BENCH_REQUESTS (1500) are counted, after as
many that warm. The peer is itself, its most wanted brand in memory, asked in the same run, each fourth time.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from assay_engine.budgets import Budgets
from assay_engine.engine import Engine
from assay_engine.openvino_runtime import OpenVinoRuntime
from assay_engine.probe import make_probe
from assay_shared import logs
from bench.engine_zipf import BRANDS, ROOM, draw_brands
from bench.many_brands import VERSION, FilesAtHand, ask, fill_cache, percentile, slug

REQUESTS = int(os.environ.get("BENCH_REQUESTS", "1500"))
BETWEEN = 4
"""Requests between two of the peer."""


def main() -> int:
    """Measures and prints; there is no target but the hit rate's, which is bench/engine_zipf.py's."""
    logs.configure_logs("bench", "WARNING")
    numbers = draw_brands(2 * REQUESTS).tolist()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        probe = make_probe(folder)
        runtime = OpenVinoRuntime("f32", 1)
        picture = probe.pictures[0]
        fill_cache(folder / "models", probe, BRANDS)
        size = runtime.load(probe.weights, probe.description).size_bytes
        engine = Engine(FilesAtHand(), folder / "models", runtime, Budgets(ROOM * size, 0, 1 << 40))
        hits: list[float] = []
        misses: list[float] = []
        wanted: list[float] = []
        for place, number in enumerate(numbers):
            here = (slug(number), VERSION) in engine.models.resident
            spent = ask(engine, number, picture)
            if place >= REQUESTS:
                (hits if here else misses).append(spent)
            if place >= REQUESTS and place % BETWEEN == 0:
                ask(engine, 0, picture)
                wanted.append(ask(engine, 0, picture))
        engine.close()
    print(f"{BRANDS} brands, room for {ROOM}, {REQUESTS} requests: hit rate {len(hits) / REQUESTS:.3f}")
    print(f"{'':30}{'requests':>9}{'p50':>12}{'p99':>12}")
    rows = {
        "all": hits + misses,
        "in memory": hits,
        "loaded from disk": misses,
        "itself, one brand in memory": wanted,
    }
    for title, seconds in rows.items():
        p50, p99 = percentile(seconds, 50), percentile(seconds, 99)
        print(f"{title:30}{len(seconds):9}{p50:9.1f} ms{p99:9.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
