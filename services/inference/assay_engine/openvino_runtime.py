"""How detectors run on the CPU: OpenVINO, one compiled network for all brands, a brand's weights in fp16."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from assay_engine.framing import Found, Pixels
from assay_engine.openvino_network import Network, Precision, settings_of
from assay_shared.detector.detector import detect_in_windows
from assay_shared.detector.postprocess import Detections, find_detections_in_levels
from assay_shared.detector.weights import read_flat_weights
from assay_shared.model_description import ModelDescription


class OpenVinoDetector:
    """One model version in memory: its weights in fp16, and a network that other versions use too."""

    def __init__(self, network: Network, weights: Path | bytes, image_size: int) -> None:
        """`image_size` in pixels. Raises WeightsInvalid for a file that does not fit."""
        flat = read_flat_weights(weights, network.shapes)
        self.image_size = image_size
        self.size_bytes = flat.nbytes
        self._network = network
        self._projection = _find_projection(network, flat)
        self._weights = ov.Tensor(flat, shared_memory=True)

    def detect(self, batch: Pixels) -> list[Found]:
        """The boxes of uint8 pictures (n, side, side, 3), unsure ones included."""
        return self.compute(batch)

    def compute(self, batch: Pixels, *, abreast: bool = False) -> list[Found]:
        """The same; `abreast`: on one of the network's streams."""

        def detect(pixels: Pixels) -> list[Detections]:
            return self._network.compute(
                self._weights,
                pixels,
                lambda levels: find_detections_in_levels(levels, self._projection, self._network.strides),
                abreast=abreast,
            )

        return [
            Found(found.boxes, found.confidences, found.labels) for found in detect_in_windows(batch, detect)
        ]


class OpenVinoRuntime:
    """Makes detectors for the CPU. Networks are compiled when a brand first needs one, and kept for as long
    as any brand in memory does."""

    has_device = False

    def __init__(self, precision: Precision, threads: int, streams: int = 1) -> None:
        """`threads` that one picture is computed on; `streams` of its networks."""
        self._core = ov.Core()
        self._precision: Precision = precision
        self._threads = threads
        self._streams = streams
        self._networks: WeakValueDictionary[tuple[str, int], Network] = WeakValueDictionary()
        # Begins here: the threads that compute inherit the niceness of the one that compiles, and those that
        # load brands step back.
        self._compiler = ThreadPoolExecutor(1, "compile")
        self._check = self._compiler.submit(
            self._core.compile_model, _build_check(), "CPU", settings_of(precision, threads)
        ).result()

    def load(self, weights: Path | bytes, description: ModelDescription) -> OpenVinoDetector:
        """A detector from verified files. Raises WeightsInvalid when they do not fit together."""
        return OpenVinoDetector(self.find_network(description), weights, description.image_size)

    def check(self) -> None:
        """Computes a convolution: raises what OpenVINO raises when it is not fit to predict."""
        ones = [np.ones(parameter.shape, np.float32) for parameter in self._check.inputs]
        if float(self._check.create_infer_request().infer(ones)[0].mean()) != 27.0:
            raise RuntimeError("OpenVINO computes wrongly")

    def find_network(self, description: ModelDescription) -> Network:
        """The network of an architecture with so many labels, compiled if no brand in memory has it."""
        key = description.architecture, len(description.labels)
        return self._networks.get(key) or self._compiler.submit(self._compile, key).result()

    def _compile(self, key: tuple[str, int]) -> Network:
        """On the one thread that compiles: whoever waited for another finds its network."""
        network = self._networks.get(key)
        if network is None:
            network = Network(self._core, *key, self._precision, self._threads, self._streams)
            self._networks[key] = network
        return network


def _find_projection(network: Network, flat: np.ndarray) -> np.ndarray:
    """The distance of each bin in cells, which is a weight that training never changes."""
    start = 0
    for name, shape in network.shapes.items():
        end = start + int(np.prod(shape))
        if name.endswith(".dfl.conv.weight"):
            return flat[start:end].astype(np.float32)
        start = end
    raise RuntimeError("The architecture has no bins to decode boxes from")


def _build_check() -> ov.Model:
    picture, weight = ops.parameter([1, 3, 32, 32], np.float32), ops.parameter([8, 3, 3, 3], np.float32)
    return ov.Model([ops.convolution(picture, weight, [1, 1], [0, 0], [0, 0], [1, 1])], [picture, weight])
