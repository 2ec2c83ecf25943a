"""A brand's weights as one tensor, its slab: the layout by name, and the pinned memory that slabs wait in."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from assay_engine.device import Device
from assay_shared.detector.weights import read_flat_weights
from assay_shared.model_description import ModelDescription

ALIGNMENT = 128
"""Numbers (256 bytes in fp16) at which each weight begins, as device memory itself is aligned: cuDNN takes
its tensor-core kernels only for aligned weights. It costs 0.4 % of a yolov5nu."""
CHUNK_BYTES = 64 << 20
"""Pinned at once: pinning is slow, and PyTorch rounds each piece up to a power of two."""

_serials = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """Where one weight lies in a slab: its first number, and its shape."""

    start: int
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        """How many numbers it has."""
        return int(torch.Size(self.shape).numel())


class Layout:
    """The places of all weights of an architecture with one number of labels, by name."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = dict(shapes)
        self.places: dict[str, Place] = {}
        end = 0
        for name, shape in self.shapes.items():
            self.places[name] = place = Place(end, shape)
            end += -(-place.numbers // ALIGNMENT) * ALIGNMENT
        self.numbers = end
        """Of a slab."""

    def view(self, numbers: torch.Tensor) -> dict[str, torch.Tensor]:
        """Each weight as a view of a slab (numbers,); those of convolutions lie channels last, as cuDNN wants
        them."""
        views = {}
        for name, place in self.places.items():
            part = numbers[place.start : place.start + place.numbers]
            if len(place.shape) == 4:
                out, into, height, width = place.shape
                views[name] = part.view(out, height, width, into).permute(0, 3, 1, 2)
            else:
                views[name] = part.view(place.shape)
        return views

    def fill(self, numbers: torch.Tensor, weights: Path | bytes) -> None:
        """Lays a weights file into a slab (numbers,) in fp16. Raises WeightsInvalid for one of another
        architecture, or damaged."""
        flat = torch.from_numpy(read_flat_weights(weights, self.shapes))
        start = 0
        numbers.zero_()
        for name, view in self.view(numbers).items():
            end = start + self.places[name].numbers
            view.copy_(flat[start:end].view(self.shapes[name]))
            start = end


@dataclass(frozen=True)
class StagedSlab:
    """A slab in the host's memory, pinned where there is a GPU, and the description it came with."""

    numbers: torch.Tensor
    layout: Layout
    description: ModelDescription

    @property
    def size_bytes(self) -> int:
        """Memory that it holds, in bytes."""
        return self.numbers.nbytes


@dataclass(frozen=True)
class Slab:
    """A slab on the device. `serial` names its contents for good: no other slab ever has it."""

    numbers: torch.Tensor
    layout: Layout
    serial: int


def copy_to_device(staged: StagedSlab, device: Device, stream: object) -> Slab:
    """Copies a slab to the device on this stream, and waits until it is there. Raises what the allocator
    raises when there is no room."""
    with device.on(stream):
        numbers = torch.empty_like(staged.numbers, device=device.name, pin_memory=False)
        numbers.copy_(staged.numbers, non_blocking=True)
    device.wait(stream)
    return Slab(numbers, staged.layout, next(_serials))


class _Chunk:
    def __init__(self, memory: torch.Tensor) -> None:
        self.memory = memory
        self.free = list(range(len(memory)))


class HostMemory:
    """Gives places for slabs of any layout, packed into chunks of pinned memory. A place is free again when
    its StagedSlab is no more; a chunk goes when all its places are free. Safe to share between threads."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._lock = threading.Lock()
        self._chunks: dict[int, list[_Chunk]] = {}
        # A finalizer may run in a thread that holds the lock: it only appends.
        self._returned: deque[tuple[_Chunk, int]] = deque()

    def stage(self, layout: Layout, weights: Path | bytes, description: ModelDescription) -> StagedSlab:
        """A weights file as a slab. Raises WeightsInvalid, and MemoryError when the host has none left."""
        chunk, place = self._take(layout.numbers)
        try:
            layout.fill(chunk.memory[place], weights)
        except BaseException:
            self._returned.append((chunk, place))
            raise
        staged = StagedSlab(chunk.memory[place], layout, description)
        weakref.finalize(staged, self._returned.append, (chunk, place))
        return staged

    def count_bytes(self) -> int:
        """Bytes of all chunks."""
        with self._lock:
            self._tidy()
            return sum(chunk.memory.nbytes for chunk in self._list_chunks())

    def _take(self, numbers: int) -> tuple[_Chunk, int]:
        with self._lock:
            self._tidy()
            chunks = self._chunks.setdefault(numbers, [])
            for chunk in chunks:
                if chunk.free:
                    return chunk, chunk.free.pop()
            count = max(1, CHUNK_BYTES // (numbers * 2))
            chunk = _Chunk(self._device.allocate_host((count, numbers), torch.float16))
            chunks.append(chunk)
            return chunk, chunk.free.pop()

    def _tidy(self) -> None:
        while self._returned:
            chunk, place = self._returned.popleft()
            chunk.free.append(place)
        for numbers, chunks in self._chunks.items():
            self._chunks[numbers] = [chunk for chunk in chunks if len(chunk.free) < len(chunk.memory)]

    def _list_chunks(self) -> Iterator[_Chunk]:
        for chunks in self._chunks.values():
            yield from chunks
