"""Which runtime a worker uses: decided when it starts, on its own machine, by trying them.

Eager PyTorch is the reference, the measure and the way back. A candidate is taken when it finds what eager
finds and is faster; whatever else happens, the worker starts with eager.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from assay_engine.framing import Found
from assay_engine.probe import Probe, make_probe
from assay_engine.protocols import BrandDetector, Runtime
from assay_engine.runtime import TorchRuntime
from assay_engine.settings import EngineSettings
from assay_shared import logs
from assay_shared.detector.postprocess import MIN_CONFIDENCE

EAGER = "torch"
ROUNDS = 8
"""Turns at most: other processes start at the same time as a worker, and three were seen to mislead."""
TURNS_SECONDS = 2.5
"""Of this process's processor time, after which no further turn is taken. Not of the clock: on a machine that
is busy when a worker starts, that time was over before a candidate was tried, and the worker stayed with the
slowest way for good."""
LIMIT_SECONDS = 20.0
"""Of the clock, after which no candidate is begun and no further turn taken: a worker must be back soon."""
LEAST_FOUND = 30
"""Detections of the reference in the probe's pictures, below which the comparison says nothing."""

log = logs.get_logger(__name__)


@dataclass(frozen=True)
class Tolerance:
    """How far from eager is still the same: every detection surer than MIN_CONFIDENCE + `confidence` must
    have one of its label within `pixels` and `confidence`, but for a share of 1 - `share` of them."""

    pixels: float
    confidence: float
    share: float


EXACT = Tolerance(pixels=0.1, confidence=0.001, share=1.0)
"""For fp32. Seen: 0.001 px and 0.00001; what another order of summation does."""
CLOSE = Tolerance(pixels=8.0, confidence=0.08, share=0.85)
"""For bf16, which keeps 8 bits of a number. Seen: half within 1.1 px, nine in ten within 5.6 px and 0.03,
93 % in all; now and then suppression lets another box of the same thing win."""


@dataclass(frozen=True)
class Candidate:
    """A runtime that could be used: its name, how it is made, and what its answers may differ by."""

    name: str
    make: Callable[[], Runtime]
    tolerance: Tolerance


@dataclass(frozen=True)
class Trial:
    """How a runtime did: least milliseconds of a picture (of processor time on a CPU), the share of
    detections within tolerance, why it is out of the question, if it is, and on a GPU milliseconds of a
    picture among those of other brands."""

    name: str
    milliseconds: float | None = None
    agreement: float | None = None
    problem: str | None = None
    together_milliseconds: float | None = None


@dataclass(frozen=True)
class Choice:
    """The runtime to use, its name, and the trials that led there; the device it computes on, and how much of
    its memory is free (None on the CPU)."""

    runtime: Runtime
    name: str
    trials: tuple[Trial, ...] = ()
    device: str = "cpu"
    free_device_bytes: int | None = None


def choose_runtime(settings: EngineSettings, gpu: int | None = None) -> Choice:
    """The runtime by the settings: eager where it is asked for, else the fastest of those that pass the
    self-check. Logs one line. Raises nothing for a candidate that fails."""
    eager = TorchRuntime(settings.engine_device, gpu)
    on_gpu = eager.device != "cpu"
    if settings.engine_runtime == "torch" or (on_gpu and settings.engine_runtime == "openvino"):
        choice = Choice(eager, EAGER, device=eager.device, free_device_bytes=eager.find_free_bytes())
    elif on_gpu:
        from assay_engine.gpu_trial import choose_on_gpu  # which imports this module

        choice = choose_on_gpu(eager, must_be_faster=settings.engine_runtime != "graphs")
    else:
        try:
            with tempfile.TemporaryDirectory() as folder:
                choice = try_candidates(
                    eager,
                    list_candidates(settings),
                    make_probe(Path(folder)),
                    must_be_faster=settings.engine_runtime != "openvino",
                )
        except Exception as error:
            log.exception("self-check failed")
            choice = Choice(eager, EAGER, (Trial("self-check", problem=_describe(error)),))
    log.info("runtime chosen", runtime=choice.name, device=eager.device, trials=_figures(choice.trials))
    return choice


def list_candidates(settings: EngineSettings) -> list[Candidate]:
    """OpenVINO in the precisions that the settings and the CPU allow."""
    threads = torch.get_num_threads()  # of this worker: OMP_NUM_THREADS
    candidates = []
    streams = settings.engine_streams
    several = f", {streams} streams" if streams > 1 else ""
    if settings.engine_precision in ("auto", "f32"):
        make = partial(_make_openvino, "f32", threads, streams)
        candidates.append(Candidate(f"openvino f32{several}", make, EXACT))
    if settings.engine_precision == "bf16":
        make = partial(_make_openvino, "bf16", threads, streams)
        candidates.append(Candidate(f"openvino bf16{several}", make, CLOSE))
    return candidates


def try_candidates(
    reference: Runtime, candidates: Sequence[Candidate], probe: Probe, *, must_be_faster: bool = True
) -> Choice:
    """The fastest candidate that agrees with the reference and, where it must, beats it; else the reference.

    Speed is the least processor time of ROUNDS turns, taken one after another. Not the clock's: on a busy
    machine one lucky turn of eager's, or none of a candidate's, left workers with the slowest way for good.
    Raises what the reference raises, and ValueError where it finds too little to compare.
    """
    limit = _Limit()
    detectors: dict[str, BrandDetector] = {EAGER: reference.load(probe.weights, probe.description)}
    wanted = detectors[EAGER].detect(probe.pictures)
    if sum(len(found.confidences) for found in wanted) < LEAST_FOUND:
        raise ValueError("The reference finds too little in the probe's pictures")
    runtimes = {EAGER: reference}
    agreements: dict[str, float] = {}
    problems: dict[str, str] = {}
    for candidate in candidates:
        if not limit.allows_candidate():
            problems[candidate.name] = "no time left to try it"
            continue
        try:
            runtime = candidate.make()
            runtime.check()
            detector = runtime.load(probe.weights, probe.description)
            agreement = agree(wanted, detector.detect(probe.pictures), candidate.tolerance)
        except Exception as error:
            problems[candidate.name] = _describe(error)
            continue
        agreements[candidate.name] = agreement
        if agreement < candidate.tolerance.share:
            problems[candidate.name] = "other detections than eager's"
        else:
            detectors[candidate.name], runtimes[candidate.name] = detector, runtime
    times = _measure(detectors, probe, limit, problems)
    names = [name for name in times if name != EAGER or must_be_faster]
    best = min(names, key=lambda name: times[name], default=EAGER)
    trials = [
        Trial(name, times.get(name), agreements.get(name), problems.get(name))
        for name in [EAGER, *(candidate.name for candidate in candidates)]
    ]
    return Choice(runtimes[best], best, tuple(trials))


class _Limit:
    """The time that a self-check may take, from now on."""

    def __init__(self) -> None:
        self._turns = time.process_time() + TURNS_SECONDS
        self._clock = time.monotonic() + LIMIT_SECONDS

    def allows_candidate(self) -> bool:
        """Whether another runtime may be tried."""
        return time.monotonic() < self._clock

    def allows_turn(self) -> bool:
        """Whether those that are left may be timed once more."""
        return self.allows_candidate() and time.process_time() < self._turns


def agree(wanted: Sequence[Found], found: Sequence[Found], tolerance: Tolerance) -> float:
    """The share of detections that have their like on the other side, both ways; 0 for other pictures."""
    if len(wanted) != len(found):
        return 0.0
    paired = [
        pair
        for left, right in zip(wanted, found, strict=True)
        for pair in (_have_like(left, right, tolerance), _have_like(right, left, tolerance))
    ]
    flags = np.concatenate(paired) if paired else np.zeros(0, bool)
    return float(flags.mean()) if len(flags) else 0.0


def _have_like(these: Found, those: Found, tolerance: Tolerance) -> npt.NDArray[np.bool_]:
    sure = these.confidences > MIN_CONFIDENCE + tolerance.confidence
    if not len(those.confidences):
        return np.zeros(int(sure.sum()), bool)
    near = np.abs(these.boxes[sure][:, None] - those.boxes[None]).max(2) <= tolerance.pixels
    alike = np.abs(these.confidences[sure][:, None] - those.confidences[None]) <= tolerance.confidence
    same = these.labels[sure][:, None] == those.labels[None]
    paired: npt.NDArray[np.bool_] = (near & alike & same).any(axis=1)
    return paired


def _measure(
    detectors: dict[str, BrandDetector], probe: Probe, limit: _Limit, problems: dict[str, str]
) -> dict[str, float]:
    """Least milliseconds of processor time, of all threads, for the probe's first picture, by name; what
    raises has a problem and no time."""
    times: dict[str, float] = {}
    for turn in range(ROUNDS):
        if turn and not limit.allows_turn():
            break
        for name in [name for name in detectors if name not in problems]:
            started = time.process_time()
            try:
                detectors[name].detect(probe.pictures[:1])
            except Exception as error:
                problems[name] = _describe(error)
                times.pop(name, None)
                continue
            spent = (time.process_time() - started) * 1000
            times[name] = min(spent, times.get(name, spent))
    return times


def _make_openvino(precision: Literal["f32", "bf16"], threads: int, streams: int) -> Runtime:
    # Here and not above: PyTorch must do where it is missing, and on a GPU it is not needed.
    from assay_engine.openvino_runtime import OpenVinoRuntime
    from assay_engine.openvino_streams import StreamsRuntime

    if streams > 1:
        return StreamsRuntime(precision, threads, streams)
    return OpenVinoRuntime(precision, threads)


def _figures(trials: Sequence[Trial]) -> list[str]:
    lines = []
    for trial in trials:
        line = trial.name
        if trial.milliseconds is not None:
            line += f" {trial.milliseconds:.1f} ms"
        if trial.agreement is not None:
            line += f", {trial.agreement:.1%} as eager"
        if trial.together_milliseconds is not None:
            line += f", {trial.together_milliseconds:.2f} ms among other brands"
        lines.append(line + (f", {trial.problem}" if trial.problem else ""))
    return lines


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"
