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

    Safe to share between threads: each computes with a request of its own, one after another, for there is
    one stream of `threads` threads.
    """

    def __init__(self, core: ov.Core, architecture: str, labels: int, precision: Precision, threads: int):
        """Compiles: 0.2 to 0.6 s. Raises InvalidRequest for an unknown architecture, Unbuildable, and
        RuntimeError where OpenVINO cannot."""
        folded: Any = build_detector(architecture, labels)
        self.shapes = {name: tuple(tensor.shape) for name, tensor in folded.state_dict().items()}
        """Shapes of the weights, by name, in the order in which `compute` takes them."""
        self.strides = [int(stride) for stride in folded.stride]
        """Pixels a cell of each level."""
        self._compiled = core.compile_model(build_graph(folded), "CPU", settings_of(precision, threads))
        self._idle: queue.SimpleQueue[_Request] = queue.SimpleQueue()

    def compute(
        self, weights: ov.Tensor, pixels: npt.NDArray[np.uint8], read: Callable[[list[Floats]], T]
    ) -> T:
        """What `read` makes of the levels of pictures (B, H, W, 3); they are valid until it returns.

        `weights` is a tensor (numbers,) in fp16, all weights in the order of `shapes`. RuntimeError is what
        OpenVINO raises.
        """
        mine = self._take()
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
            self._idle.put(mine)

    def _take(self) -> _Request:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return _Request(self._compiled.create_infer_request())


def settings_of(precision: Precision, threads: int) -> dict[str, Any]:
    """How OpenVINO compiles: one stream, so many threads and no more, free to move between cores, for a
    thread that is pinned to a core waits there for whatever else runs on it."""
    return {
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,
        "ENABLE_CPU_PINNING": False,
    }
