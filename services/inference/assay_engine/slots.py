"""Weight slots: fixed weights of one architecture on the device, which brands' slabs are copied into.

A CUDA graph reads the addresses that it was captured with, so a slot's weights are overwritten where they
lie, never exchanged. Each slot belongs to a lane, a stream with its buffers; slots of different lanes run at
the same time, those of one lane one after another.
"""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from assay_engine.device import Device
from assay_engine.runtime import memory_errors
from assay_engine.slab import Layout, Slab
from assay_shared import logs
from assay_shared.detector.architecture import build_detector, predict_raw
from assay_shared.detector.postprocess import MIN_CONFIDENCE

LANES = 8
"""Streams that brands run on at the same time. On an H200 4, 8 and 16 of them took the same 34 to 36 ms for
32 brands: what one thread can send is what limits it."""
SIZES = (1, 2, 4, 8, 16)
"""Batch sizes that graphs are captured for; a batch between them is padded up."""
ROW = 6
"""Numbers of one anchor's answer: box xyxy in input pixels, confidence, label."""
SAME = (2.0, 2.0, 2.0, 2.0, 0.02, 0.5)
SAME_SHARE = 0.99
"""How far a replay's rows may be from those of the same program run eagerly, and how many must be no
further: the kernels are the same, or differ in the order of summation."""

log = logs.get_logger(__name__)


@dataclass(frozen=True)
class Buffers:
    """Of one lane for pictures of one side: pixels (n, side, side, 3) uint8, rows (n, anchors, ROW) fp32."""

    pixels: torch.Tensor
    rows: torch.Tensor


class Lane:
    """A stream, and the buffers and graph memory that all slots on it share."""

    def __init__(self, device: Device) -> None:
        self.stream = device.make_stream()
        self.graph_memory = device.make_graph_memory()
        self.buffers: dict[int, Buffers] = {}
        """By side; only who has borrowed the lane adds to them."""


class Lanes:
    """Lends lanes. Who has some asks for no more, so nobody waits for ever. Safe to share between threads."""

    def __init__(self, device: Device, count: int) -> None:
        self.all = tuple(Lane(device) for _ in range(count))
        self._idle = deque(self.all)
        self._changed = threading.Condition()

    @contextmanager
    def borrow(self, most: int, is_preferred: Callable[[Lane], bool]) -> Iterator[list[Lane]]:
        """At least one lane and at most so many: preferred ones first, then those that were idle longest."""
        with self._changed:
            self._changed.wait_for(lambda: self._idle)
            lanes = sorted(self._idle, key=lambda lane: not is_preferred(lane))[:most]
            for lane in lanes:
                self._idle.remove(lane)
        with self._give_back(lanes):
            yield lanes

    @contextmanager
    def borrow_this(self, lane: Lane) -> Iterator[None]:
        """This lane and no other."""
        with self._changed:
            self._changed.wait_for(lambda: lane in self._idle)
            self._idle.remove(lane)
        with self._give_back([lane]):
            yield

    @contextmanager
    def _give_back(self, lanes: list[Lane]) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                self._idle.extend(lanes)
                self._changed.notify_all()


class WeightSlot:
    """A detector whose weights are one tensor, the slab of whichever brand it holds. Whoever calls has
    borrowed its lane, and calls on the lane's stream."""

    def __init__(self, device: Device, lane: Lane, layout: Layout, model: torch.nn.Module, side: int) -> None:
        """`model`, on the device, is its own from now on. Raises what the allocator raises."""
        self._device, self._lane, self._model = device, lane, model
        self.weights = torch.zeros(layout.numbers, dtype=device.dtype, device=device.name)
        tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
        for name, view in layout.view(self.weights).items():
            tensors[name].data = view
        untyped: Any = model  # ultralytics has no types
        self._head = untyped.model[-1]
        self._graphs: dict[int, tuple[Callable[[], None], object]] = {}
        self.serial: int | None = None
        """Of the slab that it holds."""
        if side not in lane.buffers:
            anchors = sum((side // int(stride)) ** 2 for stride in self._head.stride)
            pixels = torch.randint(0, 256, (SIZES[-1], side, side, 3), dtype=torch.uint8, device=device.name)
            lane.buffers[side] = Buffers(
                pixels, torch.zeros(SIZES[-1], anchors, ROW, dtype=torch.float32, device=device.name)
            )
        self._buffers = lane.buffers[side]

    def hold(self, slab: Slab) -> None:
        """Makes the slot hold a brand's weights; nothing to do when it does already."""
        if self.serial != slab.serial:
            self.serial = None  # neither one nor the other, should the copy raise
            self.weights.copy_(slab.numbers, non_blocking=True)
            self.serial = slab.serial

    def run(self, pixels: torch.Tensor) -> torch.Tensor:
        """The rows (n, anchors, ROW) of n pictures (n, side, side, 3), at most SIZES[-1] of them, in a buffer
        that the lane's next run overwrites."""
        count = len(pixels)
        self._buffers.pixels[:count].copy_(pixels, non_blocking=True)
        size = next(size for size in SIZES if size >= count)
        graph = self._graphs.get(size)
        if graph is None:
            self._compute(count)
        else:
            graph[0]()
        return self._buffers.rows[:count]

    def capture(self, size: int) -> None:
        """Captures the graph of a batch size, and keeps it if it gives what the program gives without.

        Raises what the device raises; without its graph a batch size runs eagerly.
        """
        with self._device.on(self._lane.stream):
            self._compute(size)  # also makes the libraries ready, which a capture may not
            wanted = self._buffers.rows[:size].clone()
        self._device.wait(self._lane.stream)
        replay = self._device.capture(lambda: self._compute(size), self._lane.graph_memory)
        with self._device.on(self._lane.stream):
            self._buffers.rows[:size].zero_()
            replay()
            if not _are_same(self._buffers.rows[:size], wanted):
                log.error("a graph gives other answers than its program; not used", pictures=size)
                return
        # The head makes its anchors anew for each batch size, and the graph reads where they lay then.
        self._graphs[size] = replay, (self._head.anchors, self._head.strides)

    def forget(self) -> None:
        """Something went wrong: what is in the slot is not known."""
        self.serial = None

    @torch.inference_mode()
    def _compute(self, count: int) -> None:
        pixels = self._buffers.pixels[:count].permute(0, 3, 1, 2)
        scaled = pixels.to(self._device.dtype, memory_format=torch.channels_last) / 255
        anchors = predict_raw(self._model, scaled).float().transpose(1, 2)
        confidences, labels = anchors[..., 4:].max(2, keepdim=True)
        centre, half = anchors[..., :2], anchors[..., 2:4] / 2
        rows = torch.cat((centre - half, centre + half, confidences, labels.float()), 2)
        self._buffers.rows[:count].copy_(rows)


class Program:
    """One architecture with one number of labels for pictures of one side: a slot in each lane."""

    def __init__(
        self, device: Device, lanes: Lanes, layout: Layout, architecture: str, labels: int, side: int
    ) -> None:
        """Raises MemoryError when the device has no room."""
        self.side = side
        self._device = device
        self._lanes = lanes
        self._tried: set[tuple[int, int]] = set()
        self._exhausted = False
        self._can_capture = True
        model = build_detector(architecture, labels).to(device.dtype)
        with memory_errors():
            self.slots: dict[Lane, WeightSlot] = {}
            for lane in lanes.all:
                with lanes.borrow_this(lane), device.on(lane.stream):
                    self.slots[lane] = WeightSlot(
                        device, lane, layout, copy.deepcopy(model).to(device.name), side
                    )
                    device.wait(lane.stream)

    def capture(self, slab: Slab, sizes: Sequence[int] = SIZES) -> None:
        """Captures what is not captured yet, with the weights of any brand.

        Raises MemoryError the first time that memory ends, so that others may be given up; what has no room
        then either runs eagerly, as does all that cannot be captured.
        """
        # Largest first: the smaller ones fit into the memory that it leaves.
        for place, lane in enumerate(self._lanes.all):
            for size in sorted(sizes, reverse=True):
                if not self._can_capture or (place, size) in self._tried:
                    continue
                with self._lanes.borrow_this(lane):
                    self._capture_one(lane, slab, size)
                self._tried.add((place, size))

    def _capture_one(self, lane: Lane, slab: Slab, size: int) -> None:
        slot = self.slots[lane]
        try:
            with memory_errors():
                with self._device.on(lane.stream):
                    slot.hold(slab)
                slot.capture(size)
        except MemoryError:
            slot.forget()
            if not self._exhausted:
                self._exhausted = True
                raise
            log.warning("no room for a graph; this batch size runs eagerly", pictures=size)
        except RuntimeError as error:
            slot.forget()
            # What PyTorch does after a capture that was broken off is not to be relied upon (`device.py`).
            self._can_capture = False
            log.exception("capture failed; runs eagerly", pictures=size, reason=str(error)[:200])


def _are_same(rows: torch.Tensor, wanted: torch.Tensor) -> bool:
    kept = (rows[..., 4] > MIN_CONFIDENCE) | (wanted[..., 4] > MIN_CONFIDENCE)
    if not bool(torch.isfinite(rows).all()):
        return False
    near = (rows - wanted).abs() <= torch.tensor(SAME, device=rows.device)
    return bool((near.all(2) | ~kept).float().sum() >= kept.numel() - (1 - SAME_SHARE) * kept.sum())
