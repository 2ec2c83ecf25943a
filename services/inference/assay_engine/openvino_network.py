"""One architecture with one number of labels, compiled by OpenVINO once, for the weights of any brand."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import openvino as ov

from assay_engine.openvino_graph import PIXELS, WEIGHTS, build_graph
from assay_shared.detector.architecture import build_detector

Precision = Literal["f32", "bf16"]
Floats = npt.NDArray[np.float32]
T = TypeVar("T")


@dataclass
class _Request:
    """An infer request, and what its pointers point to: that must not be freed before them."""

    request: Any
    weights: ov.Tensor | None = None
    pixels: ov.Tensor | None = None


class Network:
    """Computes levels from pictures and weights; holds no brand's weights but those it computed with last.

    Safe to share between threads: each computes with a request of its own. They wait for one another where
    all `threads` compute each picture; on `streams`, so many pictures are computed at the same time.
    """

    def __init__(
        self,
        core: ov.Core,
        architecture: str,
        labels: int,
        precision: Precision,
        threads: int,
        streams: int = 1,
    ):
        """Compiles: 0.2 to 0.6 s, twice where there are streams. Raises InvalidRequest for an unknown
        architecture, Unbuildable, and RuntimeError where OpenVINO cannot."""
        folded: Any = build_detector(architecture, labels)
        self.shapes = {name: tuple(tensor.shape) for name, tensor in folded.state_dict().items()}
        """Shapes of the weights, by name, in the order in which `compute` takes them."""
        self.strides = [int(stride) for stride in folded.stride]
        """Pixels a cell of each level."""
        graph = build_graph(folded)
        self._alone = _Compiled(core.compile_model(graph, "CPU", settings_of(precision, threads)))
        self._abreast = self._alone
        if streams > 1:
            settings = settings_of(precision, max(threads, streams), streams)
            self._abreast = _Compiled(core.compile_model(graph, "CPU", settings))

    def compute(
        self,
        weights: ov.Tensor,
        pixels: npt.NDArray[np.uint8],
        read: Callable[[list[Floats]], T],
        *,
        abreast: bool = False,
    ) -> T:
        """What `read` makes of the levels of pictures (B, H, W, 3); they are valid until it returns.
        `abreast`: on one of the streams, beside what other threads compute so.

        `weights` is a tensor (numbers,) in fp16, all weights in the order of `shapes`. RuntimeError is what
        OpenVINO raises.
        """
        compiled = self._abreast if abreast else self._alone
        mine = compiled.take()
        try:
            if mine.weights is not weights:
                mine.request.set_tensor(WEIGHTS, weights)
                mine.weights = weights
            tensor = ov.Tensor(pixels, shared_memory=True)
            mine.request.set_tensor(PIXELS, tensor)
            mine.pixels = tensor
            mine.request.infer()
            return read([mine.request.get_output_tensor(place).data for place in range(len(self.strides))])
        finally:
            compiled.give_back(mine)


class _Compiled:
    """A compiled graph and its requests that nobody computes with."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._idle: queue.SimpleQueue[_Request] = queue.SimpleQueue()

    def take(self) -> _Request:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return _Request(self._compiled.create_infer_request())

    def give_back(self, request: _Request) -> None:
        self._idle.put(request)


def settings_of(precision: Precision, threads: int, streams: int = 1) -> dict[str, Any]:
    """How OpenVINO compiles: so many threads and no more, shared between the streams, free to move between
    cores, for a thread that is pinned to a core waits there for whatever else runs on it."""
    return {
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,
        "ENABLE_CPU_PINNING": False,
    }
