"""Whether the slots strategy does on this machine's GPU: the self-check of `selfcheck.py` for a device.

It is tried in a process of its own first, for an error of a kernel sticks to the process that had it: every
later call on the GPU raises it, in eager PyTorch too. A trial that crashes or hangs costs only itself. Then
the worker builds what passed, and asks it once more.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save

from assay_engine.framing import Found, Pixels
from assay_engine.metrics_server import FOLDER
from assay_engine.probe import Probe, make_probe
from assay_engine.protocols import BrandDetector, Run, Runtime
from assay_engine.runtime import TorchRuntime
from assay_engine.selfcheck import EAGER, EXACT, Choice, Tolerance, Trial, agree
from assay_engine.slots import LANES, SIZES
from assay_engine.slots_runtime import SlotsRuntime
from assay_shared import logs

GRAPHS = "graphs"
CHILD_SECONDS = 75.0
"""That the trial may take: TorchServe gives a worker 120 to start (`torchserve_files.py`)."""
ROUNDS = 5
"""Turns of which the fastest counts."""
SPREAD = 0.1
"""Standard deviation by which the weights of the trial's brands differ, as a share of each."""
HALF = Tolerance(pixels=4.0, confidence=0.04, share=0.92)
"""For fp16 on both sides, which keeps 11 bits where bf16 keeps 8, with sums in another order. A guess between
EXACT and what was seen of bf16; never seen on a GPU."""

log = logs.get_logger(__name__)


@dataclass(frozen=True)
class Scale:
    """How much is tried: lanes, the batch sizes that graphs are captured for, brands (more than lanes, so
    that slots are overwritten), and the pictures' side."""

    lanes: int = LANES
    sizes: tuple[int, ...] = SIZES
    brands: int = LANES + 4
    side: int = 640


def choose_on_gpu(eager: TorchRuntime, scale: Scale | None = None, *, must_be_faster: bool = True) -> Choice:
    """Slots if they pass in a child and then here, else eager. Raises nothing that the GPU did."""
    scale = scale or Scale()
    trials = run_trial(eager.device, scale, must_be_faster=must_be_faster)
    runtime: Runtime = eager
    if trials[-1].problem is None:
        try:
            runtime = _build(eager, scale)
        except Exception as error:
            problem = f"in the worker: {type(error).__name__}: {str(error)[:200]}"
            trials = (*trials[:-1], dataclasses.replace(trials[-1], problem=problem))
    name = EAGER if runtime is eager else GRAPHS
    return Choice(runtime, name, trials, eager.device, eager.find_free_bytes())


def run_trial(
    device: str, scale: Scale, *, must_be_faster: bool = True, seconds: float | None = None
) -> tuple[Trial, ...]:
    """The trials of eager and of slots, taken in a child process; a child that fails is slots' problem.
    `seconds` that it may take: CHILD_SECONDS."""
    seconds = CHILD_SECONDS if seconds is None else seconds
    task = json.dumps({"device": device, "must_be_faster": must_be_faster, **dataclasses.asdict(scale)})
    # TorchServe's workers find their modules by paths of their own; what the child counts is nobody's figure.
    environment = {name: value for name, value in os.environ.items() if name != FOLDER}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        child = subprocess.run(
            [sys.executable, "-m", "assay_engine.gpu_trial", task],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if child.returncode:
            raise RuntimeError(f"the trial ended with {child.returncode}: {child.stderr[-300:]}")
        return tuple(Trial(**one) for one in json.loads(child.stdout.splitlines()[-1]))
    except subprocess.TimeoutExpired:
        problem = f"the trial took more than {seconds:.0f} s"
    except Exception as error:
        problem = f"{type(error).__name__}: {str(error)[:400]}"
    log.warning("trial failed", problem=problem)
    return Trial(EAGER), Trial(GRAPHS, problem=problem)


def compare(
    eager: TorchRuntime, runtime: SlotsRuntime, probe: Probe, scale: Scale, *, must_be_faster: bool = True
) -> tuple[Trial, Trial]:
    """Both tried on the same brands and pictures. Raises what the device raises, and ValueError where the
    trial could not tell one brand from another."""
    tolerance = find_tolerance(eager)
    brands = [vary_weights(probe, number) for number in range(scale.brands)]
    references = [eager.load(weights, probe.description) for weights in brands]
    wanted = [reference.detect(probe.pictures) for reference in references]
    if any(agree(wanted[0], other, tolerance) >= tolerance.share for other in wanted[1:]):
        raise ValueError("The trial's brands are too alike to be told apart")
    detectors: list[BrandDetector] = [load_twice(runtime, weights, probe) for weights in brands]
    agreement = check_answers(runtime, detectors, probe.pictures, wanted, tolerance)
    one = probe.pictures[:1]
    ways: dict[str, Callable[[], object]] = {
        "eager": lambda: references[0].detect(one),
        "graphs": lambda: detectors[0].detect(one),
        "eager together": lambda: [reference.detect(one) for reference in references],
        "graphs together": lambda: runtime.detect_many([Run(each, list(one)) for each in detectors]),
    }
    times = {name: float("inf") for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            times[name] = min(times[name], (time.perf_counter() - started) * 1000)
    together = {name: times[f"{name} together"] / len(brands) for name in ("eager", "graphs")}
    problem = None
    if agreement < tolerance.share:
        problem = "other detections than eager's"
    elif must_be_faster and (times["graphs"] > times["eager"] or together["graphs"] >= together["eager"]):
        problem = "not faster than eager"
    return (
        Trial(EAGER, times["eager"], together_milliseconds=together["eager"]),
        Trial(GRAPHS, times["graphs"], agreement, problem, together["graphs"]),
    )


def check_answers(
    runtime: SlotsRuntime,
    detectors: Sequence[BrandDetector],
    pictures: Pixels,
    wanted: Sequence[list[Found]],
    tolerance: Tolerance,
) -> float:
    """The least agreement of any brand with its reference: alone, all at once, the other way round so that
    slots are overwritten and filled again, and with every batch size, full and padded."""
    agreements = [
        agree(expected, detector.detect(pictures), tolerance)
        for detector, expected in zip(detectors, wanted, strict=True)
    ]
    places = list(range(len(detectors)))
    for order in (places, places[::-1], places):
        answers = runtime.detect_many([Run(detectors[place], list(pictures)) for place in order])
        agreements += [
            agree(wanted[place], found, tolerance) for place, found in zip(order, answers, strict=True)
        ]
    for count in sorted({*SIZES, *(size - 1 for size in SIZES if size > 1)}):
        place = count % len(detectors)
        chosen = [number % len(pictures) for number in range(count)]
        found = detectors[place].detect(pictures[chosen])
        agreements.append(agree([wanted[place][number] for number in chosen], found, tolerance))
    return min(agreements)


def find_tolerance(eager: TorchRuntime) -> Tolerance:
    """What slots may differ by: they compute as precisely as eager does."""
    return EXACT if eager.device == "cpu" else HALF


def vary_weights(probe: Probe, number: int) -> bytes:
    """The weights file of another brand: the probe's weights, each changed a little."""
    generator = torch.Generator().manual_seed(number)
    return save(
        {
            name: weight
            if ".dfl." in name
            else (weight * (1 + SPREAD * torch.randn(weight.shape, generator=generator))).half()
            for name, weight in load_file(probe.weights).items()
        }
    )


def load_twice(runtime: SlotsRuntime, weights: Path | bytes, probe: Probe) -> BrandDetector:
    """A detector; the first time that graphs find no room is the engine's to give others up for, and here
    there are no others."""
    try:
        return runtime.load(weights, probe.description)
    except MemoryError:
        return runtime.load(weights, probe.description)


def crop(probe: Probe, side: int) -> Probe:
    """The probe with the middle of its pictures."""
    start = (probe.pictures.shape[1] - side) // 2
    pictures = np.ascontiguousarray(probe.pictures[:, start : start + side, start : start + side])
    return Probe(probe.weights, probe.description.model_copy(update={"image_size": side}), pictures)


def _build(eager: TorchRuntime, scale: Scale) -> SlotsRuntime:
    runtime = SlotsRuntime(eager.device, scale.lanes, scale.sizes)
    runtime.check()
    with tempfile.TemporaryDirectory() as folder:
        probe = crop(make_probe(Path(folder)), scale.side)
        wanted = eager.load(probe.weights, probe.description).detect(probe.pictures)
        found = load_twice(runtime, probe.weights, probe).detect(probe.pictures)
    tolerance = find_tolerance(eager)
    if agree(wanted, found, tolerance) < tolerance.share:
        raise RuntimeError("other detections than eager's")
    return runtime


def main() -> int:
    """The child: prints its trials as the last line."""
    task = json.loads(sys.argv[1])
    device, must_be_faster = task.pop("device"), task.pop("must_be_faster")
    scale = Scale(**{**task, "sizes": tuple(task["sizes"])})
    eager = TorchRuntime(device.partition(":")[0], torch.device(device).index, whole=True)
    with tempfile.TemporaryDirectory() as folder:
        probe = crop(make_probe(Path(folder)), scale.side)
        runtime = SlotsRuntime(device, scale.lanes, scale.sizes)
        trials = compare(eager, runtime, probe, scale, must_be_faster=must_be_faster)
    print(json.dumps([dataclasses.asdict(trial) for trial in trials]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
