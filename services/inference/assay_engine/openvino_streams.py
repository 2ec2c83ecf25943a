"""How one worker computes several pictures at once on the CPU: by OpenVINO's streams, all weights once.

A worker a core has all weights, and PyTorch, as often as there are cores; here the cores share them.
TorchServe gives a worker one request at a time, so only the pictures of one request are computed side by
side: whoever asks gathers them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from assay_engine.framing import Found, Pixels
from assay_engine.openvino_network import Network, Precision
from assay_engine.openvino_runtime import OpenVinoDetector, OpenVinoRuntime
from assay_engine.protocols import Run
from assay_shared.model_description import ModelDescription


class StreamsDetector(OpenVinoDetector):
    """One model version in memory, whose pictures are computed side by side."""

    def __init__(
        self, runtime: StreamsRuntime, network: Network, weights: Path | bytes, image_size: int
    ) -> None:
        """`image_size` in pixels. Raises WeightsInvalid for a file that does not fit."""
        super().__init__(network, weights, image_size)
        self._runtime = runtime

    def detect(self, batch: Pixels) -> list[Found]:
        """The boxes of uint8 pictures (n, side, side, 3), unsure ones included."""
        [found] = self._runtime.detect_many([Run(self, list(batch))])
        return found


class StreamsRuntime(OpenVinoRuntime):
    """Makes detectors for the CPU and runs many at once, a picture a stream. Safe to share between threads.

    A picture that is alone has all threads, so that a single caller waits no longer than without streams.
    """

    def __init__(self, precision: Precision, threads: int, streams: int) -> None:
        """`threads` of a picture that is alone; side by side they are shared between the `streams`, of which
        each has one at least."""
        super().__init__(precision, threads, streams)
        self._pool = ThreadPoolExecutor(streams, thread_name_prefix="stream")

    def load(self, weights: Path | bytes, description: ModelDescription) -> StreamsDetector:
        """A detector from verified files. Raises WeightsInvalid when they do not fit together."""
        return StreamsDetector(self, self.find_network(description), weights, description.image_size)

    def detect_many(self, runs: Sequence[Run]) -> list[list[Found]]:
        """The boxes of each run's pictures. Raises what OpenVINO raises, once no stream computes any more:
        whoever lent the detectors may take them back then."""
        jobs = []
        for run in runs:
            if not isinstance(run.detector, OpenVinoDetector):
                raise TypeError("a detector of another runtime")
            jobs += [(run.detector, picture) for picture in run.pictures]
        if len(jobs) == 1:
            found = iter([_compute(*jobs[0], abreast=False)])
        else:
            begun = [self._pool.submit(_compute, *job, abreast=True) for job in jobs]
            found = iter(_finish(begun))
        return [[next(found) for _ in run.pictures] for run in runs]


def _compute(detector: OpenVinoDetector, picture: Pixels, *, abreast: bool) -> Found:
    [found] = detector.compute(picture[None], abreast=abreast)
    return found


def _finish(begun: Sequence[Future[Found]]) -> list[Found]:
    """The results of all, or the first error once all have ended; what was not begun by then is not."""
    try:
        return [one.result() for one in begun]
    finally:
        for one in begun:
            one.cancel()
        wait(begun)
