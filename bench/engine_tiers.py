"""What a brand that is not in memory costs, itself and others: `python -m bench.engine_tiers`.

The engine as a library, in this process, with OpenVINO in f32 on one thread as in a worker, photos of 4:3,
and a real object store (SeaweedFS) beside it. BENCH_BRANDS (100) brands with weights of their own.

Cold: each brand is asked for when only the store has it, then when only the disk has it, then when it is in
memory, one after another, so that a busy machine slows all alike; processor time, of all threads, tells what
such a machine hides.
Loading: eight warm brands are asked for while nothing else happens, and while the others are loaded from
disk, in turns, BENCH_ROUNDS (8) of them.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch

from assay_engine.budgets import Budgets
from assay_engine.engine import Engine
from assay_engine.framing import Pixels
from assay_engine.openvino_runtime import OpenVinoRuntime
from assay_engine.probe import make_probe
from assay_shared import logs
from assay_shared.keys import LIVE, model_folder
from assay_shared.model_description import DESCRIPTION_FILE, WEIGHTS_FILE
from assay_shared.storage import ObjectStore
from bench.many_brands import VERSION, FilesAtHand, ask, fill_cache, percentile, slug
from tests.support.serving import run_store

BRANDS = int(os.environ.get("BENCH_BRANDS", "100"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "8"))
WARM = 8
REQUESTS = 40
"""Of warm brands in a round at least, with and without loads."""
DISK_TARGET, STORE_TARGET = 30.0, 150.0
"""Milliseconds added to p99."""
LOADING_TARGET = 1.2
"""p99 during loads over p99 without."""


def main() -> int:
    """Measures and prints; 0 when all targets are reached."""
    logs.configure_logs("bench", "WARNING")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        probe = make_probe(folder)
        fill_cache(folder / "models", probe, BRANDS + WARM)
        runtime = OpenVinoRuntime("f32", 1)
        picture = probe.pictures[0]
        cold = measure_cold(folder, runtime, picture)
        loading = measure_loading(folder / "models", runtime, picture)
    return 0 if cold and loading else 1


def measure_cold(folder: Path, runtime: OpenVinoRuntime, picture: Pixels) -> bool:
    """Prints what a cold brand adds; whether that is within the targets."""
    seconds: dict[str, list[float]] = {"store": [], "disk": [], "memory": []}
    processor: dict[str, list[float]] = {"store": [], "disk": [], "memory": []}
    with run_store(folder) as ground:
        upload(ground.store, folder / "models")
        engine = Engine(ground.store, folder / "fetched", runtime, Budgets(1 << 40, 0, 1 << 40))
        # The first one compiles, and connects to the store.
        ask(engine, BRANDS, picture)
        engine.models.resident.pin(frozenset({(slug(BRANDS), VERSION)}))  # the compiled network stays
        for number in range(BRANDS):
            for name in seconds:
                before = time.process_time()
                seconds[name].append(ask(engine, number, picture))
                processor[name].append(time.process_time() - before)
                if name == "store":
                    engine.models.resident.shrink(0)
        engine.close()
    head = ("p50", "p99", "p99 adds", "target", "CPU p50")
    print(f"{f'{BRANDS} brands, one request each':29}" + "".join(f"{name:>12}" for name in head))
    warm = percentile(seconds["memory"], 99)
    targets = {"store": STORE_TARGET, "disk": DISK_TARGET, "memory": 0.0}
    added = {name: percentile(times, 99) - warm for name, times in seconds.items()}
    for name, times in seconds.items():
        print(
            f"  from {name:22}{percentile(times, 50):9.1f} ms{percentile(times, 99):9.1f} ms"
            f"{added[name]:9.1f} ms{targets[name]:9.0f} ms{percentile(processor[name], 50):9.1f} ms"
        )
    return all(added[name] <= targets[name] for name in added)


def upload(store: ObjectStore, folder: Path) -> None:
    """Puts all brands into bucket `live`."""
    for number in range(BRANDS + 1):
        for name in (WEIGHTS_FILE, DESCRIPTION_FILE):
            store.put_file(
                LIVE, model_folder(slug(number), VERSION) + name, folder / slug(number) / VERSION / name
            )


def measure_loading(folder: Path, runtime: OpenVinoRuntime, picture: Pixels) -> bool:
    """Prints what loads do to warm brands; whether that is within the target."""
    engine = Engine(FilesAtHand(), folder, runtime, Budgets(1 << 40, 0, 1 << 40))
    warm = range(BRANDS, BRANDS + WARM)
    quiet: list[float] = []
    busy: list[float] = []
    loads = 0
    engine.models.resident.pin(frozenset((slug(number), VERSION) for number in warm))
    for _ in range(ROUNDS):
        engine.models.resident.shrink(0)
        for number in warm:
            ask(engine, number, picture)
        numbers = itertools.cycle(warm)
        quiet += [ask(engine, next(numbers), picture) for _ in range(REQUESTS)]
        done = threading.Event()

        def load_all(done: threading.Event = done) -> None:
            for loading in [engine.models.load((slug(number), VERSION)) for number in range(BRANDS)]:
                loading.result()
            done.set()

        loading = threading.Thread(target=load_all)
        loading.start()
        while not done.is_set():
            busy.append(ask(engine, next(numbers), picture))
        loading.join()
        loads += BRANDS
    engine.close()
    ratio = percentile(busy, 99) / percentile(quiet, 99)
    print(f"{WARM} warm brands in turn {'':9}{'requests':>9}{'p50':>12}{'p99':>12}")
    for name, times in (("nothing else", quiet), (f"{loads} loads from disk", busy)):
        print(f"  {name:28}{len(times):9}{percentile(times, 50):9.1f} ms{percentile(times, 99):9.1f} ms")
    print(f"p99 during loads over p99 without: {ratio:.2f} (target <= {LOADING_TARGET}; less is better)")
    return ratio <= LOADING_TARGET


if __name__ == "__main__":
    sys.exit(main())
