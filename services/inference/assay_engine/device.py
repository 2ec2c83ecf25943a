"""What the slots strategy asks of a device: streams, pinned memory, graphs. On the CPU the same, without.

All calls that only a GPU understands are here; no CI has one (`tests/unit/inference/test_gpu.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch

from assay_shared import logs

log = logs.get_logger(__name__)


class Device(Protocol):
    """A place where tensors are computed. A stream is what its own methods made; work on one stream is done
    in order."""

    name: str
    dtype: torch.dtype

    def make_stream(self) -> object:
        """A stream that nothing else uses."""

    def on(self, stream: object) -> AbstractContextManager[object]:
        """Work begun in the block goes to this stream."""

    def order(self, later: object, earlier: object) -> None:
        """What is sent to stream `later` from now on waits for what `earlier` was sent; the host does not."""

    def wait(self, stream: object) -> None:
        """The host waits for all work of a stream."""

    def allocate_host(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Memory of the host that the device reads fastest."""

    def make_graph_memory(self) -> object:
        """Memory for the insides of graphs that never run at the same time."""

    def capture(self, function: Callable[[], None], memory: object) -> Callable[[], None]:
        """A call that repeats what `function` does on the device, on whatever stream is current."""


class CpuDevice:
    """The host itself: everything is done when the call returns, and a graph is the function."""

    name = "cpu"
    dtype = torch.float32

    def make_stream(self) -> object:
        """There is only one."""
        return None

    def on(self, stream: object) -> AbstractContextManager[object]:
        """Nothing changes."""
        return contextlib.nullcontext()

    def order(self, later: object, earlier: object) -> None:
        """Everything is in order."""

    def wait(self, stream: object) -> None:
        """Everything is done."""

    def allocate_host(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Any memory."""
        return torch.empty(shape, dtype=dtype)

    def make_graph_memory(self) -> object:
        """There is none."""
        return None

    def capture(self, function: Callable[[], None], memory: object) -> Callable[[], None]:
        """The function itself."""
        return function


class CudaDevice:
    """One GPU, in fp16.

    Streams are made once and few: PyTorch has 32 and hands them out again, and work that another thread sends
    to a stream that is being captured would become part of the graph.
    """

    dtype = torch.float16

    def __init__(self, name: str) -> None:
        self.name = name
        self._index = torch.device(name)
        self._capturing: Any = torch.cuda.Stream(self._index)

    def make_stream(self) -> object:
        """One of PyTorch's."""
        return torch.cuda.Stream(self._index)

    def on(self, stream: Any) -> AbstractContextManager[object]:
        """Also makes this GPU the current one."""
        return torch.cuda.stream(stream)

    def order(self, later: Any, earlier: Any) -> None:
        """By an event."""
        later.wait_stream(earlier)

    def wait(self, stream: Any) -> None:
        """Raises what went wrong on the device."""
        stream.synchronize()

    def allocate_host(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Pinned memory; where the system gives none, other: copies from there are slower and right."""
        try:
            return torch.empty(shape, dtype=dtype, pin_memory=True)
        except RuntimeError as error:
            log.warning("no pinned memory", shape=shape, reason=str(error)[:200])
            return torch.empty(shape, dtype=dtype)

    def make_graph_memory(self) -> object:
        """A pool, and a graph in it that is kept: a pool that no graph uses any more is no good again."""
        pool = torch.cuda.graph_pool_handle()
        with self.on(self._capturing):
            number = torch.zeros(1, device=self.name)
        self.wait(self._capturing)
        return pool, self._capture(number.zero_, pool), number

    def capture(self, function: Callable[[], None], memory: Any) -> Callable[[], None]:
        """A CUDA graph. Call it from one thread at a time; other threads may go on computing and loading.

        Raises RuntimeError for what cannot be captured. That leaves the process fit to compute, but not fit
        to capture: PyTorch may believe that a capture goes on. An error of a kernel (an illegal address, say)
        is another matter: it sticks to the process, every later call raises it, and only a new process helps.
        Therefore a child tries all of this first (`gpu_trial.py`).
        """
        return self._capture(function, memory[0])

    def _capture(self, function: Callable[[], object], pool: Any) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        # All captures on one stream, or they could not share memory. Only what this very thread does wrong
        # breaks a capture: others allocate and copy meanwhile.
        with (
            torch.cuda.device(self._index),
            torch.cuda.graph(graph, pool=pool, stream=self._capturing, capture_error_mode="thread_local"),
        ):
            function()
        replay: Callable[[], None] = graph.replay
        return replay
