"""The engine on a GPU, every figure of it: `python -m bench.gpu`; `--quick` for 100 brands in half a minute.

The engine as a library, in this process, with CUDA graphs over weight slots, 1,000 brands with weights of
their own (5 GB in the temporary folder, and as much of the host's and the GPU's memory; a tenth with
`--quick`). The peers, in the same run and in turn: one brand, and eager PyTorch. First the self-check says
what this machine would choose. Without a GPU it ends with status 2; `--cpu` runs the same code on small
numbers and CPU tensors, which says whether it runs and nothing of how fast. Ends with 0 if all targets are
reached, else 1.
"""

from __future__ import annotations

import itertools
import platform
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import torch

from assay_engine.budgets import Budgets
from assay_engine.engine import Engine
from assay_engine.framing import Found, Item, Pixels
from assay_engine.gpu_trial import Scale, choose_on_gpu, crop
from assay_engine.probe import Probe, make_probe
from assay_engine.runtime import TorchRuntime
from assay_engine.settings import count_cores
from assay_engine.slots_runtime import SlotsRuntime
from assay_shared import logs
from assay_shared.model_description import WEIGHTS_FILE
from bench.many_brands import VERSION, FilesAtHand, ask, fill_cache, percentile, slug

MANY_TARGET, BATCH_TARGET, BYTES_TARGET, HOST_TARGET, LOADING_TARGET = 0.9, 8.0, 1.15, 3.0, 1.2
"""Of design 8: requests/s over one brand's, a batch over eager's, bytes over the file's, milliseconds, p99
over p99 without loads."""
GATHERED = 16
"""Pictures in one request where callers gather them."""


@dataclass(frozen=True)
class Plan:
    """How much is measured. `cold`: brands that are loaded beside `warm` ones."""

    brands: int = 1000
    requests: int = 2000
    rounds: int = 5
    batch: int = 32
    hits: int = 300
    warm: int = 8
    cold: int = 100
    scale: Scale = Scale()  # noqa: RUF009  # frozen


QUICK = Plan(brands=100, requests=400, rounds=2, hits=100, cold=40)
SMALL = Plan(8, 8, 1, 3, 4, 2, 4, Scale(lanes=2, sizes=(1, 2), brands=3, side=64))
PLANS = {"": Plan(), "--quick": QUICK, "--cpu": SMALL}
"""By the command's argument."""


@dataclass(frozen=True)
class Row:
    """One line of the table; `reached` is None for what has no target."""

    figure: str
    seen: str
    peer: str
    ratio: str
    target: str
    reached: bool | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; 0 when all targets are reached, 1 when not, 2 without a GPU."""
    asked = " ".join(sys.argv[1:] if arguments is None else arguments)
    if asked not in PLANS:
        print(f"usage: python -m bench.gpu [--quick | --cpu], not {asked}", file=sys.stderr)
        return 2
    on_cpu = asked == "--cpu"
    if not on_cpu and not torch.cuda.is_available():
        print("No GPU: PyTorch sees no CUDA device, so nothing was measured. --cpu tries the code only.")
        return 2
    logs.configure_logs("bench", "WARNING")
    device = "cpu" if on_cpu else "cuda:0"
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        rows = measure(PLANS[asked], device, Path(name))
    print_table(rows, device, asked, time.monotonic() - started)
    return 0 if all(row.reached is not False for row in rows) else 1


def measure(plan: Plan, device: str, folder: Path) -> list[Row]:
    """All rows of the table."""
    eager = TorchRuntime(device.partition(":")[0], whole=True)
    probe = crop(make_probe(folder), plan.scale.side)
    rows = check_self(eager, plan)
    stored = fill_cache(folder / "models", probe, plan.brands)
    runtime = SlotsRuntime(device, plan.scale.lanes, plan.scale.sizes)
    engine = Engine(FilesAtHand(), folder / "models", runtime, Budgets(1 << 40, 1 << 40, 1 << 40))
    picture = probe.pictures[0]
    try:
        rows.append(measure_memory(engine, plan, stored, picture, device))
        rows += measure_many(engine, plan, picture)
        rows.append(measure_batch(engine, eager, plan, folder / "models", probe))
        rows.append(measure_host(engine, plan, picture))
    finally:
        engine.close()
    rows.append(measure_loading(runtime, plan, folder / "models", picture))
    return rows


def check_self(eager: TorchRuntime, plan: Plan) -> list[Row]:
    """What a worker would choose here, and what it saw."""
    choice = choose_on_gpu(eager, plan.scale)
    rows = []
    for trial in choice.trials:
        agreement = "" if trial.agreement is None else f", {trial.agreement:.1%} as eager"
        alone, together = (
            "-" if value is None else f"{value:.2f} ms"
            for value in (trial.milliseconds, trial.together_milliseconds)
        )
        seen = f"{alone} alone, {together} among others{agreement}"
        rows.append(Row(f"self-check: {trial.name}", seen, "", "", trial.problem or "", None))
    return [*rows, Row("self-check: chosen", choice.name, "", "", "", None)]


def measure_memory(engine: Engine, plan: Plan, stored: int, picture: Pixels, device: str) -> Row:
    """Warms every brand; the first three pay for what all share."""
    for number in range(3):
        ask(engine, number, picture)
    before = count_bytes(device)
    for number in range(3, plan.brands):
        ask(engine, number, picture)
    further = (count_bytes(device) - before) / (plan.brands - 3)
    where = "the GPU's memory" if device != "cpu" else "this process's, both tiers"
    return Row(
        f"{where} for a further brand, of {plan.brands}",
        f"{further / 1e6:.2f} MB",
        f"its weights file: {stored / 1e6:.2f} MB",
        f"{further / stored:.2f}x",
        f"<= {BYTES_TARGET}x",
        further / stored <= BYTES_TARGET,
    )


def measure_many(engine: Engine, plan: Plan, picture: Pixels) -> list[Row]:
    """One brand, and all of them by chance: one picture at a time, and gathered by callers."""
    chosen = random.Random(1)
    rows = []
    for size in (1, GATHERED):
        rates: dict[bool, list[float]] = {True: [], False: []}
        for _, one in itertools.product(range(plan.rounds), (True, False)):
            requests = [
                [0 if one else chosen.randrange(plan.brands) for _ in range(size)]
                for _ in range(max(1, plan.requests // plan.rounds // size))
            ]
            seconds = [detect(engine, numbers, picture) for numbers in requests]
            rates[one].append(len(requests) * size / sum(seconds))
        many, single = max(rates[False]), max(rates[True])
        rows.append(
            Row(
                f"{plan.brands} brands by chance, {size} pictures a request, pictures/s",
                f"{many:.0f}",
                f"itself, 1 brand: {single:.0f}",
                f"{many / single:.2f}x",
                f">= {MANY_TARGET}x",
                many / single >= MANY_TARGET,
            )
        )
    return rows


def measure_batch(engine: Engine, eager: TorchRuntime, plan: Plan, folder: Path, probe: Probe) -> Row:
    """So many brands in one request, and one after another by eager PyTorch."""
    detectors = [
        eager.load(folder / slug(number) / VERSION / WEIGHTS_FILE, probe.description)
        for number in range(plan.batch)
    ]
    picture = probe.pictures[0]
    numbers = list(range(plan.batch))

    def run_eager() -> float:
        started = time.perf_counter()
        for detector in detectors:
            detector.detect(picture[None])
        return time.perf_counter() - started

    ways: dict[str, Callable[[], float]] = {
        "eager": run_eager,
        "engine": lambda: detect(engine, numbers, picture),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(2 + plan.rounds * 4):
        for name, way in ways.items():
            times[name].append(way())
    middle = {name: percentile(seconds[1:], 50) for name, seconds in times.items()}
    ratio = middle["eager"] / middle["engine"]
    return Row(
        f"{plan.batch} brands in one request, p50",
        f"{middle['engine']:.1f} ms",
        f"eager PyTorch, one after another: {middle['eager']:.1f} ms",
        f"{ratio:.1f}x",
        f">= {BATCH_TARGET}x",
        ratio >= BATCH_TARGET,
    )


def measure_host(engine: Engine, plan: Plan, picture: Pixels) -> Row:
    """The first request of a brand that only the host's memory has, and its second."""
    first, second = [], []
    for place in range(plan.hits):
        number = place % plan.brands
        engine.models.resident.drop((slug(number), VERSION))
        first.append(ask(engine, number, picture))
        second.append(ask(engine, number, picture))
    added = percentile(first, 99) - percentile(second, 99)
    return Row(
        "first request from the host's memory, p99",
        f"{percentile(first, 99):.2f} ms",
        f"its second request: {percentile(second, 99):.2f} ms",
        f"{added:+.2f} ms",
        f"<= {HOST_TARGET} ms",
        added <= HOST_TARGET,
    )


def measure_loading(runtime: SlotsRuntime, plan: Plan, folder: Path, picture: Pixels) -> Row:
    """Warm brands in turn, while nothing else happens and while others are loaded from disk."""
    engine = Engine(FilesAtHand(), folder, runtime, Budgets(1 << 40, 1 << 40, 1 << 40))
    engine.models.resident.pin(frozenset((slug(number), VERSION) for number in range(plan.warm)))
    numbers = itertools.cycle(range(plan.warm))
    quiet: list[float] = []
    busy: list[float] = []
    for _ in range(plan.warm):
        ask(engine, next(numbers), picture)
    cold = range(plan.warm, min(plan.brands, plan.warm + plan.cold))
    for _ in range(plan.rounds):
        for number in cold:
            engine.models.resident.drop((slug(number), VERSION))
            if engine.models.host is not None:
                engine.models.host.drop((slug(number), VERSION))
        quiet += [ask(engine, next(numbers), picture) for _ in range(max(8, plan.requests // 10))]
        done = threading.Event()

        def load_all(done: threading.Event = done) -> None:
            for loading in [engine.models.load((slug(number), VERSION)) for number in cold]:
                loading.result()
            done.set()

        loader = threading.Thread(target=load_all)
        loader.start()
        while not done.is_set():
            busy.append(ask(engine, next(numbers), picture))
        loader.join()
    engine.close()
    ratio = percentile(busy, 99) / percentile(quiet, 99)
    return Row(
        f"p99 of {plan.warm} warm brands while {len(cold)} are loaded from disk",
        f"{percentile(busy, 99):.2f} ms ({len(busy)} requests)",
        f"without loads: {percentile(quiet, 99):.2f} ms ({len(quiet)})",
        f"{ratio:.2f}x",
        f"<= {LOADING_TARGET}x",
        ratio <= LOADING_TARGET,
    )


def detect(engine: Engine, numbers: Sequence[int], picture: Pixels) -> float:
    """Seconds of one request for a picture of each of these brands. Raises what is answered instead."""
    items = [Item(slug(number), VERSION, picture) for number in numbers]
    started = time.perf_counter()
    results = engine.detect(items)
    spent = time.perf_counter() - started
    for result in results:
        if not isinstance(result, Found):
            raise result
    return spent


def count_bytes(device: str) -> int:
    """Memory that is taken: of the GPU, by whomever, or of this process."""
    if device == "cpu":
        return int(psutil.Process().memory_info().rss)
    torch.cuda.synchronize()
    free, total = torch.cuda.mem_get_info(device)
    return total - free


def print_table(rows: Sequence[Row], device: str, asked: str, seconds: float) -> None:
    """As docs/performance.md has it; `asked` is the command's argument."""
    machine = f"{platform.machine()}, {count_cores()} cores, PyTorch {torch.__version__}"
    if device == "cpu":
        machine += ", CPU tensors, small numbers: these figures say nothing"
    else:
        machine += f", {torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}"
    print(f"{datetime.now(UTC):%d %B %Y}, {machine}, {seconds:.0f} s")
    print(f"`{f'python -m bench.gpu {asked}'.strip()}`\n")
    print("| figure | seen | peer | ratio | target | |\n|---|---|---|---|---|---|")
    words = {True: "reached", False: "missed", None: ""}
    for row in rows:
        cells = (row.figure, row.seen, row.peer, row.ratio, row.target, words[row.reached])
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    sys.exit(main())
