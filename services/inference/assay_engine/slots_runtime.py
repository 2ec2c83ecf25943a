"""How detectors run on a GPU: slabs, copied into weight slots of CUDA graphs, several brands at once."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

import torch

from assay_engine.device import CpuDevice, CudaDevice, Device
from assay_engine.framing import Found, Pixels
from assay_engine.protocols import Run
from assay_engine.runtime import TorchRuntime, memory_errors
from assay_engine.slab import HostMemory, Layout, Slab, StagedSlab, copy_to_device
from assay_engine.slots import LANES, SIZES, Lane, Lanes, Program
from assay_engine.suppression import find_in_rows
from assay_shared import logs
from assay_shared.detector.architecture import build_detector
from assay_shared.model_description import ModelDescription

WAVE = 32
"""Pictures that are computed at once, at most: so many lie in pinned memory, 39 MB at 640 pixels."""
KEPT_PROGRAMS = 2
"""That stay when none of their brands is on the device: capturing again takes seconds."""

log = logs.get_logger(__name__)


class SlabDetector:
    """One model version on the device."""

    def __init__(self, runtime: SlotsRuntime, program: Program, slab: Slab) -> None:
        self._runtime = runtime
        self.program, self.slab = program, slab
        self.image_size = program.side
        self.size_bytes = slab.numbers.nbytes

    def detect(self, batch: Pixels) -> list[Found]:
        """The boxes of uint8 pictures (n, side, side, 3). Raises MemoryError when the device has no room."""
        [found] = self._runtime.detect_many([Run(self, list(batch))])
        return found


@dataclass(frozen=True)
class _Job:
    """Pictures of one brand that run as one batch, and where their answers go."""

    detector: SlabDetector
    pictures: Sequence[Pixels]
    run: int


class SlotsRuntime:
    """Makes slab detectors and runs many at once. Safe to share between threads.

    On the CPU it computes the same, without streams and graphs, and for whole squares: it is there to be
    tested.
    """

    has_device = True

    def __init__(self, device: str, lanes: int = LANES, sizes: Sequence[int] = SIZES) -> None:
        """`device`: `cpu`, or `cuda:` and a number. `sizes` are the batch sizes to capture."""
        self.device: Device = CudaDevice(device) if device.startswith("cuda") else CpuDevice()
        self._eager = TorchRuntime("cpu" if device == "cpu" else "cuda", torch.device(device).index)
        self._sizes = sizes
        self._lock = threading.Lock()
        self._building = threading.Lock()
        self._layouts: dict[tuple[str, int], Layout] = {}
        self._programs: WeakValueDictionary[tuple[str, int, int], Program] = WeakValueDictionary()
        self._recent: deque[Program] = deque(maxlen=KEPT_PROGRAMS)
        self._staging: dict[int, list[torch.Tensor]] = {}
        with memory_errors():
            self.host = HostMemory(self.device)
            self._lanes = Lanes(self.device, lanes)
            self._loading, self._finishing = self.device.make_stream(), self.device.make_stream()

    def load(self, weights: Path | bytes, description: ModelDescription) -> SlabDetector:
        """A detector from verified files. Raises WeightsInvalid and MemoryError."""
        return self.place(self.stage(weights, description))

    def stage(self, weights: Path | bytes, description: ModelDescription) -> StagedSlab:
        """A slab in the host's memory. Raises WeightsInvalid and MemoryError."""
        layout = self._find_layout(description.architecture, len(description.labels))
        with memory_errors():
            return self.host.stage(layout, weights, description)

    def place(self, staged: StagedSlab) -> SlabDetector:
        """A detector from a slab in the host's memory: one copy. The first one of an architecture, number of
        labels and image size makes its slots and graphs, which takes seconds. Raises MemoryError."""
        with memory_errors():
            slab = copy_to_device(staged, self.device, self._loading)
        description = staged.description
        key = description.architecture, len(description.labels), description.image_size
        # One at a time: captures of two threads would end up in one another.
        with self._building:
            program = self._programs.get(key)
            if program is None:
                program = Program(self.device, self._lanes, staged.layout, *key)
                self._programs[key] = program
            if program not in self._recent:
                self._recent.append(program)
            program.capture(slab, self._sizes)
        return SlabDetector(self, program, slab)

    def check(self) -> None:
        """Computes a convolution: raises what the device raises when it is not fit to predict."""
        self._eager.check()

    def detect_many(self, runs: Sequence[Run]) -> list[list[Found]]:
        """The boxes of each run's pictures; brands run at the same time, as far as there are lanes.

        Raises MemoryError when the device has no room, and what else it raises: then nothing is known of any
        run, and the caller may try them one by one.
        """
        found: list[list[Found]] = [[] for _ in runs]
        jobs = []
        for place, run in enumerate(runs):
            if not isinstance(run.detector, SlabDetector):
                raise TypeError("a detector of another runtime")
            for first in range(0, len(run.pictures), SIZES[-1]):
                batch = run.pictures[first : first + SIZES[-1]]
                jobs.append(_Job(run.detector, batch, place))
        for wave in _divide(jobs):
            rows = self._detect_wave(wave)
            for job in wave:
                found[job.run] += rows[: len(job.pictures)]
                rows = rows[len(job.pictures) :]
        return found

    def _detect_wave(self, jobs: Sequence[_Job]) -> list[Found]:
        """The answers to jobs of one side, at most WAVE pictures, in order."""
        serials = {job.detector.slab.serial for job in jobs}
        programs = {job.detector.program for job in jobs}

        def holds_one(lane: Lane) -> bool:
            return any(program.slots[lane].serial in serials for program in programs)

        with memory_errors(), self._lanes.borrow(len(jobs), holds_one) as lanes:
            try:
                return self._compute(jobs, lanes)
            except BaseException:
                # What was sent is waited for: buffers and slabs are free for others after this.
                for lane in lanes:
                    for program in programs:
                        program.slots[lane].forget()
                    with contextlib.suppress(RuntimeError):
                        self.device.wait(lane.stream)
                raise

    def _compute(self, jobs: Sequence[_Job], lanes: Sequence[Lane]) -> list[Found]:
        side = jobs[0].detector.program.side
        staging = self._take_staging(side)
        pinned = staging.numpy()
        device = self.device
        with device.on(self._finishing):
            anchors = lanes[0].buffers[side].rows.shape[1:]
            rows = torch.empty(sum(len(job.pictures) for job in jobs), *anchors, device=device.name)
        for lane in lanes:
            device.order(lane.stream, self._finishing)
        queued = dict.fromkeys(lanes, 0)
        start = 0
        for job in jobs:
            end = start + len(job.pictures)
            for place, picture in enumerate(job.pictures, start):
                pinned[place] = picture
            lane = _choose_lane(job, queued)
            queued[lane] += len(job.pictures)
            slot = job.detector.program.slots[lane]
            with device.on(lane.stream):
                slot.hold(job.detector.slab)
                rows[start:end].copy_(slot.run(staging[start:end]), non_blocking=True)
            start = end
        for lane in lanes:
            device.order(self._finishing, lane.stream)
        with device.on(self._finishing):
            found = find_in_rows(rows)
        with self._lock:
            self._staging.setdefault(side, []).append(staging)
        return [Found(one.boxes, one.confidences, one.labels) for one in found]

    def _take_staging(self, side: int) -> torch.Tensor:
        with self._lock:
            idle = self._staging.get(side)
            if idle:
                return idle.pop()
        return self.device.allocate_host((WAVE, side, side, 3), torch.uint8)

    def _find_layout(self, architecture: str, labels: int) -> Layout:
        with self._lock:
            layout = self._layouts.get((architecture, labels))
        if layout is None:
            folded = build_detector(architecture, labels)
            layout = Layout({name: tuple(one.shape) for name, one in folded.state_dict().items()})
            with self._lock:
                layout = self._layouts.setdefault((architecture, labels), layout)
        return layout


def _choose_lane(job: _Job, queued: dict[Lane, int]) -> Lane:
    """The least busy lane; of those, one that holds the job's brand."""
    slots = job.detector.program.slots
    return min(queued, key=lambda lane: (queued[lane], slots[lane].serial != job.detector.slab.serial))


def _divide(jobs: Sequence[_Job]) -> list[list[_Job]]:
    """Into waves of one side and at most WAVE pictures; order within a run is kept."""
    waves: list[list[_Job]] = []
    sizes: list[int] = []
    for job in sorted(jobs, key=lambda job: job.detector.image_size):
        count = len(job.pictures)
        fits = waves and waves[-1][0].detector.image_size == job.detector.image_size
        if not fits or sizes[-1] + count > WAVE:
            waves.append([])
            sizes.append(0)
        waves[-1].append(job)
        sizes[-1] += count
    return waves
