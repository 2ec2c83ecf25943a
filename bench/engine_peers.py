"""The engine beside what one would build with TorchServe and ultralytics: `python -m bench.engine_peers`.

All servers run at once and are asked in turn, in slices of BENCH_SECONDS (4), so that a busy machine slows
all alike; those that are not asked sleep. Eight brands at once, eight callers: the peer has a worker a brand.
Then BENCH_BRANDS (100) brands in turn, two callers and eight: the peer has one worker with a dict of `YOLO`
objects. Ours is the engine in its TorchServe as it is shipped, a worker a core; with one worker, which takes
least memory; and with one worker and a stream a core; all asked as the verify API asks. `eight` or `hundred`
runs only that. Memory is the proportional set size of a whole process tree, Java included, and the processor
time of a request is the whole tree's too. That is the figure to trust on a busy machine: there eight
processes get more of it than two do, however well they use it; on a quiet one requests/s follow from it.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from assay_engine.probe import Probe, make_probe
from assay_engine.settings import count_cores
from assay_shared import logs
from bench.engine_servers import Ask, ask_ours, ask_peer, gathering, ours_program, peer_program, running
from bench.many_brands import fill_cache, percentile, slug
from deploy.local.ports import Ports

BRANDS = int(os.environ.get("BENCH_BRANDS", "100"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "6"))
AT_ONCE, CALLERS, MANY_CALLERS = 8, 2, 8
HEAD = "".join(f"{name:>12}" for name in ("requests/s", "p50", "p99", "CPU each", "memory"))
EIGHT_TARGET, HUNDRED_TARGET, MEMORY_TARGET = 3.0, 2.0, 0.5


@dataclass
class Server:
    """A server, how it is asked, and seconds of its requests; `busy`: seconds in which it was asked,
    `processor`: what it computed in those."""

    name: str
    ask: Ask
    pid: int
    seconds: list[float] = field(default_factory=list)
    busy: float = 0.0
    processor: float = 0.0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.seconds) / self.busy

    @property
    def cost(self) -> float:
        """Processor seconds of a request."""
        return self.processor / len(self.seconds)


def main() -> int:
    """Measures and prints; 0 when all targets are reached."""
    logs.configure_logs("bench", "ERROR")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        probe = make_probe(folder)
        fill_cache(folder / "models", probe, max(BRANDS, AT_ONCE))
        parts = {"eight": compare_eight, "hundred": compare_hundred}
        reached = [
            parts[part](folder / part, folder / "models", probe) for part in sys.argv[1:] or list(parts)
        ]
    return 0 if all(reached) else 1


def compare_eight(folder: Path, models: Path, probe: Probe) -> bool:
    """Eight brands at once."""
    ports = Ports()
    programs = [
        ours_program(folder, models, ports, count_cores()),
        peer_program(folder, models, ports, [slug(number) for number in range(AT_ONCE)]),
    ]
    with running(folder, programs) as (http, pids):
        servers = [
            Server("assay", ask_ours(http, ports.get("ours"), probe), pids["ours"]),
            Server("TorchServe, a worker a brand", ask_peer(http, ports.get("peer"), probe), pids["peer"]),
        ]
        run(servers, AT_ONCE, AT_ONCE)
        memory = [tree_bytes(server.pid) for server in servers]
    print(f"{f'{AT_ONCE} brands at once':30}" + HEAD)
    show(servers, memory)
    ratio = servers[0].rate / servers[1].rate
    print(f"requests/s: {ratio:.2f}x (target >= {EIGHT_TARGET}; more is better)")
    print(f"by processor time: {servers[1].cost / servers[0].cost:.2f}x", flush=True)
    return ratio >= EIGHT_TARGET


def compare_hundred(folder: Path, models: Path, probe: Probe) -> bool:
    """Many brands in turn, by few callers and by more than there are cores."""
    ports, cores = Ports(), count_cores()
    ways = [
        ("ours", "assay, a worker a core", cores, 1),
        ("one", "assay, one worker", 1, 1),
        ("streams", "assay, one worker, streams", 1, cores),
    ]
    programs = [
        ours_program(folder, models, ports, workers, name, streams) for name, _, workers, streams in ways
    ]
    with (
        running(folder, [*programs, peer_program(folder, models, ports, None)]) as (http, pids),
        ExitStack() as clients,
    ):
        asks = {
            title: (
                clients.enter_context(gathering(ports.get(name), workers, streams, probe)),
                pids[name],
            )
            for name, title, workers, streams in ways
        }
        peer = ask_peer(http, ports.get("peer"), probe, many=True)
        asks["one worker, a dict of YOLO"] = peer, pids["peer"]
        servers = [Server(title, ask, pid) for title, (ask, pid) in asks.items()]
        before = [tree_bytes(server.pid) for server in servers]
        cold = [warm_all(server) for server in servers]
        reached = False
        for callers in (CALLERS, MANY_CALLERS):
            servers = [Server(title, ask, pid) for title, (ask, pid) in asks.items()]
            run(servers, BRANDS, callers)
            memory = [tree_bytes(server.pid) for server in servers]
            print(f"{f'{BRANDS} brands in turn, {callers} callers':30}" + HEAD)
            show(servers, memory)
            reached = compare_with_last(servers, memory) or reached
    for server, empty, full, first in zip(servers, before, memory, cold, strict=True):
        print(
            f"  {server.name:28}{(full - empty) / BRANDS / 1e6:6.1f} MB a brand; a first request takes "
            f"{percentile(first, 50):.0f} ms (p50), {percentile(first, 99):.0f} ms (p99)"
        )
    return reached


def compare_with_last(servers: list[Server], memory: list[int]) -> bool:
    """A line for each but the last, which is the peer; whether one of them reaches both targets."""
    peer, reached = servers[-1], False
    for server, size in zip(servers[:-1], memory, strict=False):
        rate, share = server.rate / peer.rate, size / memory[-1]
        reached = reached or (rate >= HUNDRED_TARGET and share <= MEMORY_TARGET)
        print(
            f"{server.name}: requests/s {rate:.2f}x (target >= {HUNDRED_TARGET}), by processor time"
            f" {peer.cost / server.cost:.2f}x; memory {share:.2f}x (target <= {MEMORY_TARGET})",
            flush=True,
        )
    return reached


def warm_all(server: Server) -> list[float]:
    """Asks each brand for the first time; seconds of each."""
    times = []
    for number in range(BRANDS):
        started = time.perf_counter()
        server.ask(number)
        times.append(time.perf_counter() - started)
    return times


def run(servers: list[Server], brands: int, callers: int) -> None:
    """Asks all servers in turn, ROUNDS times and once before that for warmth."""
    for turn in range(ROUNDS + 1):
        for server in servers:
            before = tree_processor(server.pid)
            seconds, busy = ask_for_a_while(server.ask, brands, callers)
            if turn:
                server.processor += tree_processor(server.pid) - before
                server.seconds += seconds
                server.busy += busy


def ask_for_a_while(ask: Ask, brands: int, callers: int) -> tuple[list[float], float]:
    """Callers that each ask again once they are answered, a brand after another; seconds of each request, and
    in all."""
    numbers = itertools.cycle(range(brands))
    lock = threading.Lock()
    times: list[float] = []
    failures: list[BaseException] = []
    begun = time.perf_counter()

    def call() -> None:
        try:
            while time.perf_counter() < begun + SECONDS:
                with lock:
                    number = next(numbers)
                started = time.perf_counter()
                ask(number)
                times.append(time.perf_counter() - started)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return times, time.perf_counter() - begun


def tree_processor(pid: int) -> float:
    """Processor seconds of a process and all below it, so far."""
    process = psutil.Process(pid)
    times = [one.cpu_times() for one in [process, *process.children(recursive=True)]]
    return float(sum(spent.user + spent.system for spent in times))


def tree_bytes(pid: int) -> int:
    """Proportional set size of a process and all below it."""
    process = psutil.Process(pid)
    return sum(int(one.memory_full_info().pss) for one in [process, *process.children(recursive=True)])


def show(servers: list[Server], memory: list[int]) -> None:
    """A line a server."""
    for server, size in zip(servers, memory, strict=True):
        print(
            f"  {server.name:28}{server.rate:12.1f}{percentile(server.seconds, 50):9.0f} ms"
            f"{percentile(server.seconds, 99):9.0f} ms{server.cost * 1000:9.0f} ms{size / 1e6:9.0f} MB",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
