"""The engine on the CPU, many brands against one: `python -m bench.engine_cpu`.

The engine as a library, in this process, with photos of 4:3, one after another; BENCH_BRANDS (200) brands
with random weights, a different one at each request. The peer is eager PyTorch, the trainer's and the
reference, in the same run and in turn. bf16 is measured too, though it is no default (bench/precision.py).
Then, unless `brands` is given, what a worker does alone and beside another, in processes of their own, on one
thread or all.
"""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from assay_engine.budgets import Budgets
from assay_engine.engine import Engine
from assay_engine.framing import Pixels
from assay_engine.openvino_runtime import OpenVinoRuntime
from assay_engine.probe import make_probe
from assay_engine.protocols import Runtime
from assay_engine.runtime import TorchRuntime
from assay_engine.settings import count_cores
from assay_shared import logs
from assay_shared.model_description import WEIGHTS_FILE, ModelDescription
from bench.many_brands import VERSION, FilesAtHand, ask, fill_cache, slug

BRANDS = int(os.environ.get("BENCH_BRANDS", "200"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "6"))
REQUESTS = 12
"""Of each kind in a round."""
WORKER_SECONDS = 3.0
MANY_TARGET = 0.9
"""Requests/s of many brands over those of one."""
BYTES_TARGET = 1.15
"""Memory of a further brand over its weights file."""


@dataclass
class Way:
    """One way to run the engine, and what was measured: seconds of each request, bytes a brand."""

    name: str
    runtime: Runtime
    engine: Engine | None = None
    one: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    swap: float = 0.0
    bytes_per_brand: float = 0.0


def main() -> int:
    """Measures and prints; 0 when both targets are reached by the default, OpenVINO in f32."""
    if len(sys.argv) > 2 and sys.argv[1] == "worker":
        return work(sys.argv[2])
    logs.configure_logs("bench", "WARNING")
    torch.set_num_threads(count_cores())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        probe = make_probe(folder)
        stored = fill_cache(folder / "models", probe, BRANDS)
        ways = [
            Way("eager", TorchRuntime("cpu")),
            Way("openvino f32", OpenVinoRuntime("f32", count_cores())),
            Way("openvino bf16", OpenVinoRuntime("bf16", count_cores())),
        ]
        for way in ways:
            measure_memory(way, folder / "models", probe.pictures[0])
        for turn in range(ROUNDS):
            for way in ways[turn % len(ways) :] + ways[: turn % len(ways)]:
                measure_speed(way, probe.pictures[0], turn)
        for way in ways:
            measure_cold(way, folder / "models", probe.pictures[0])
            measure_swap(way, probe.description, folder / "models")
    reached = report(ways, stored)
    if sys.argv[1:] != ["brands"]:
        measure_workers()
    return 0 if reached else 1


def make_engine(runtime: Runtime, folder: Path) -> Engine:
    """An engine with room for all brands."""
    return Engine(FilesAtHand(), folder, runtime, Budgets(1 << 40, 0, 1 << 40))


def measure_memory(way: Way, folder: Path, picture: Pixels) -> None:
    """Warms every brand; the first three pay for what all share."""
    way.engine = make_engine(way.runtime, folder)
    for number in range(3):
        ask(way.engine, number, picture)
    before = resident()
    for number in range(3, BRANDS):
        ask(way.engine, number, picture)
    way.bytes_per_brand = (resident() - before) / (BRANDS - 3)


def measure_speed(way: Way, picture: Pixels, turn: int) -> None:
    """One brand, then another one at each request."""
    assert way.engine is not None
    ask(way.engine, 0, picture)
    way.one += [ask(way.engine, 0, picture) for _ in range(REQUESTS)]
    way.many += [ask(way.engine, (turn * REQUESTS + place) % BRANDS, picture) for place in range(REQUESTS)]


def measure_cold(way: Way, folder: Path, picture: Pixels) -> None:
    """The first request of each brand: its files are on disk, its weights not in memory."""
    engine = make_engine(way.runtime, folder)
    way.cold = [ask(engine, number, picture) for number in range(min(BRANDS, 24))]


def measure_swap(way: Way, description: ModelDescription, folder: Path) -> None:
    """What it adds that the brand before was another: on a small picture, where it can be told apart."""
    load = way.runtime.load
    left, right = (load(folder / slug(number) / VERSION / WEIGHTS_FILE, description) for number in (0, 1))
    picture = np.zeros((1, 64, 64, 3), np.uint8)
    same: list[float] = []
    other: list[float] = []
    for _ in range(60):
        for detector, times in ((left, other), (left, same), (right, other), (right, same)):
            started = time.perf_counter()
            detector.detect(picture)
            times.append(time.perf_counter() - started)
    way.swap = statistics.median(other) - statistics.median(same)


def resident() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def report(ways: list[Way], stored: int) -> bool:
    """Prints the table; whether OpenVINO in f32 reaches the targets."""
    print(f"{platform.machine()}, {count_cores()} cores, {BRANDS} brands, weights file {stored / 1e6:.2f} MB")
    head = ("1 brand", f"{BRANDS} brands", "ratio", "swap", "MB/brand", "x stored", "cold adds")
    print(f"{'':15}" + "".join(f"{name:>12}" for name in head))
    middle: Callable[[list[float]], float] = statistics.median
    for way in ways:
        one, many = middle(way.one), middle(way.many)
        print(
            f"{way.name:15}{1 / one:8.1f} r/s{1 / many:8.1f} r/s{one / many:12.2f}{way.swap * 1e3:9.1f} ms"
            f"{way.bytes_per_brand / 1e6:12.2f}{way.bytes_per_brand / stored:12.2f}"
            f"{(middle(way.cold) - many) * 1e3:9.1f} ms"
        )
    default, eager = ways[1], ways[0]
    ratio = middle(default.one) / middle(default.many)
    share = default.bytes_per_brand / stored
    print(
        f"openvino f32: {middle(eager.many) / middle(default.many):.2f}x the requests/s of eager, many brands"
    )
    print(f"many brands over one {ratio:.2f} (target >= {MANY_TARGET}; more is better)")
    print(f"a further brand's memory {share:.2f}x its file (target <= {BYTES_TARGET}; less is better)")
    return ratio >= MANY_TARGET and share <= BYTES_TARGET


def work(way: str) -> int:
    """A worker: asks for WORKER_SECONDS as fast as it can, once it has been told to start; prints requests/s
    and the median milliseconds."""
    threads = int(os.environ["OMP_NUM_THREADS"])
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as name:
        probe = make_probe(Path(name))
        runtime: Runtime = TorchRuntime("cpu") if way == "eager" else OpenVinoRuntime("f32", threads)
        detector = runtime.load(probe.weights, probe.description)
        detector.detect(probe.pictures[:1])
    print("ready", flush=True)
    sys.stdin.readline()
    times = []
    end = time.perf_counter() + WORKER_SECONDS
    while time.perf_counter() < end:
        started = time.perf_counter()
        detector.detect(probe.pictures[:1])
        times.append(time.perf_counter() - started)
    print(len(times) / sum(times), statistics.median(times) * 1e3, flush=True)
    return 0


def measure_workers() -> None:
    """Prints what workers of so many threads do, with and without a neighbour that keeps a core busy."""
    cores = count_cores()
    print(f"{'workers x threads':24}{'way':>14}{'requests/s':>14}{'p50':>12}{'beside a busy loop':>28}")
    for workers, threads in dict.fromkeys([(1, cores), (1, 1), (cores, 1)]):
        for way in ("eager", "openvino"):
            alone = run_workers(way, workers, threads, busy=False)
            beside = run_workers(way, workers, threads, busy=True)
            print(
                f"{f'{workers} x {threads}':24}{way:>14}{alone[0]:14.1f}{alone[1]:9.1f} ms"
                f"{beside[0]:14.1f} r/s{beside[1]:7.1f} ms",
                flush=True,
            )


def run_workers(way: str, workers: int, threads: int, *, busy: bool) -> tuple[float, float]:
    """Requests/s of all workers together, and the median milliseconds of a request."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", "bench.engine_cpu", "worker", way]
    running = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(workers)
    ]
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        for one in running:
            assert one.stdout is not None
            one.stdout.readline()
        for one in running:
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
        answers = [one.communicate()[0].split() for one in running]
    finally:
        for one in running:
            one.kill()
            one.wait()
        if neighbour is not None:
            neighbour.kill()
            neighbour.wait()
    rates, medians = ([float(answer[place]) for answer in answers] for place in (0, 1))
    return sum(rates), statistics.median(medians)


if __name__ == "__main__":
    sys.exit(main())
