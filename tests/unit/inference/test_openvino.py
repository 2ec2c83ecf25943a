"""OpenVINO against the eager detector, the reference, with brands in turn."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from assay_engine.budgets import Budgets
from assay_engine.engine import Engine
from assay_engine.errors import ModelUnavailable
from assay_engine.framing import Found, Item
from assay_engine.openvino_graph import Unbuildable, build_graph
from assay_engine.openvino_runtime import OpenVinoDetector, OpenVinoRuntime
from assay_engine.probe import make_probe
from assay_engine.runtime import TorchRuntime
from assay_engine.selfcheck import CLOSE, Tolerance, agree
from assay_shared.detector.architecture import build_detector
from assay_shared.detector.detector import Detector
from assay_shared.detector.postprocess import Detections
from assay_shared.detector.weights import WeightsInvalid, save_weights
from assay_shared.errors import NotFound
from assay_shared.model_description import ModelDescription, ModelLabel
from assay_shared.wire import LabelRole
from tests.support.live_model import describe_model
from tests.support.lively import SIDE, draw, lively_weights

Pictures = npt.NDArray[np.uint8]


def describe(labels: int, side: int = SIDE, architecture: str = "yolov5nu") -> ModelDescription:
    named = [
        ModelLabel(index=index, name=f"label-{index}", role=LabelRole.MARK, threshold=0.5)
        for index in range(labels)
    ]
    model = describe_model("acme", "v1", b"", side)
    return model.model_copy(update={"labels": named, "architecture": architecture})


def assert_same(found: list[Found], expected: list[Detections]) -> None:
    """The same detections, but for the order of those that are equally sure."""
    wanted = [Found(one.boxes, one.confidences, one.labels) for one in expected]
    assert sum(len(one) for one in expected) > 0, "a comparison of nothing"
    assert [len(one.confidences) for one in found] == [len(one) for one in expected]
    assert agree(wanted, found, Tolerance(pixels=0.05, confidence=0.0005, share=1.0)) == 1.0


@pytest.fixture(scope="module")
def runtime() -> OpenVinoRuntime:
    return OpenVinoRuntime("f32", 2)


@pytest.mark.parametrize("labels", [1, 4, 80])
def test_detections_equal_the_eager_detectors(labels: int, runtime: OpenVinoRuntime, tmp_path: Path) -> None:
    weights = lively_weights(tmp_path / "weights", seed=labels, labels=labels)
    ours = runtime.load(weights, describe(labels))
    reference = Detector("yolov5nu", labels, weights)
    for shapes in (
        [(128, 128)],
        [(96, 128), (128, 96), (96, 128)],
        [(32, 128)] * 5,
        [(40, 70), (128, 128), (1, 1)],
    ):
        pictures = draw(shapes)
        assert_same(ours.detect(pictures), reference.detect(pictures))


def test_the_larger_architecture(runtime: OpenVinoRuntime, tmp_path: Path) -> None:
    weights = lively_weights(tmp_path / "weights", seed=3, architecture="yolov5su")
    pictures = draw([(96, 128), (128, 128)])
    ours = runtime.load(weights, describe(4, architecture="yolov5su"))
    assert_same(ours.detect(pictures), Detector("yolov5su", 4, weights).detect(pictures))


def test_a_swap_leaks_no_weights_of_another_brand(tmp_path: Path) -> None:
    runtime = OpenVinoRuntime("f32", 2)
    files = [lively_weights(tmp_path / f"{seed}", seed, labels=3 + seed % 2) for seed in range(6)]
    ours = [runtime.load(file, describe(3 + seed % 2)) for seed, file in enumerate(files)]
    references = [Detector("yolov5nu", 3 + seed % 2, file) for seed, file in enumerate(files)]
    assert len(runtime._networks) == 2
    for turn in range(18):
        brand = (turn * 5) % 6
        pictures = draw([(96, 128)] * (1 + turn % 2), seed=turn)
        assert_same(ours[brand].detect(pictures), references[brand].detect(pictures))
    # What one brand's memory held is handed out again for another's.
    for turn in range(6, 12):
        file = lively_weights(tmp_path / f"{turn}", turn, labels=3)
        ours[turn % 6] = runtime.load(file, describe(3))
        pictures = draw([(128, 96)], seed=turn)
        assert_same(ours[turn % 6].detect(pictures), Detector("yolov5nu", 3, file).detect(pictures))


def test_many_threads_ask_at_once(runtime: OpenVinoRuntime, tmp_path: Path) -> None:
    files = [lively_weights(tmp_path / f"{seed}", seed) for seed in range(4)]
    ours = [runtime.load(file, describe(4)) for file in files]
    pictures = [draw([(96, 128)], seed=seed) for seed in range(3)]
    expected = [[Detector("yolov5nu", 4, file).detect(picture) for picture in pictures] for file in files]
    together = threading.Barrier(8)

    def ask(thread: int) -> None:
        together.wait()
        for turn in range(12):
            brand, picture = (thread + turn) % 4, (thread * 5 + turn) % 3
            assert_same(ours[brand].detect(pictures[picture]), expected[brand][picture])

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(ask, thread) for thread in range(8)]:
            done.result()


def test_a_brand_costs_its_weights_and_networks_go_with_their_last_brand(tmp_path: Path) -> None:
    runtime = OpenVinoRuntime("f32", 1)
    weights = lively_weights(tmp_path / "weights", seed=1)
    first, second = (runtime.load(weights, describe(4)) for _ in range(2))
    assert first.size_bytes == second.size_bytes <= weights.stat().st_size
    assert first._network is second._network
    del first, second
    assert len(runtime._networks) == 0


def test_one_compile_however_many_load_at_once(tmp_path: Path) -> None:
    runtime = OpenVinoRuntime("f32", 1)
    weights = lively_weights(tmp_path / "weights", seed=1)
    with ThreadPoolExecutor(6) as pool:
        loaded = list(pool.map(lambda _: runtime.load(weights, describe(4)), range(6)))
    assert len({id(one._network) for one in loaded}) == 1


def cut_short(weights: bytes) -> bytes:
    return weights[:-100]


def not_weights(_weights: bytes) -> bytes:
    return b"not weights at all"


@pytest.mark.parametrize("spoil", [cut_short, not_weights])
def test_corrupt_weights_are_an_error_of_their_brand(
    spoil: Callable[[bytes], bytes], runtime: OpenVinoRuntime, tmp_path: Path
) -> None:
    weights = lively_weights(tmp_path / "weights", seed=1)
    good: OpenVinoDetector = runtime.load(weights, describe(4))
    torn = tmp_path / "torn"
    torn.write_bytes(spoil(weights.read_bytes()))
    with pytest.raises(WeightsInvalid, match="torn cannot be read"):
        runtime.load(torn, describe(4))
    pictures = draw([(96, 128)])
    assert_same(good.detect(pictures), Detector("yolov5nu", 4, weights).detect(pictures))


def test_weights_of_another_number_of_labels_or_not_finite_are_refused(
    runtime: OpenVinoRuntime, tmp_path: Path
) -> None:
    weights = lively_weights(tmp_path / "weights", seed=1, labels=4)
    with pytest.raises(WeightsInvalid, match="has shape"):
        runtime.load(weights, describe(5))
    detector = build_detector("yolov5nu", 4)
    next(detector.parameters())[0, 0, 0, 0] = float("nan")
    save_weights(detector, tmp_path / "nan")
    with pytest.raises(WeightsInvalid, match="not finite"):
        runtime.load(tmp_path / "nan", describe(4))


def test_weights_on_disk_may_change_once_they_are_loaded(runtime: OpenVinoRuntime, tmp_path: Path) -> None:
    weights = lively_weights(tmp_path / "weights", seed=1)
    ours, reference = runtime.load(weights, describe(4)), Detector("yolov5nu", 4, weights)
    weights.write_bytes(b"")
    pictures = draw([(96, 128)])
    assert_same(ours.detect(pictures), reference.detect(pictures))


class Disk:
    """A store without the brand `nobody`, and with torn weights of the brand `torn`."""

    def __init__(self, weights: Path) -> None:
        self._weights = weights.read_bytes()

    def get_file(self, bucket: str, key: str, path: Path) -> None:
        brand, version, name = key.split("/")
        if brand == "nobody":
            raise NotFound(key)
        weights = self._weights[:-8] if brand == "torn" else self._weights
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == "model.json":
            path.write_text(describe_model(brand, version, weights, SIDE).model_dump_json())
        else:
            path.write_bytes(weights)


def test_in_the_engine(runtime: OpenVinoRuntime, tmp_path: Path) -> None:
    weights = lively_weights(tmp_path / "weights", seed=1)
    engine = Engine(Disk(weights), tmp_path / "models", runtime, Budgets(1 << 30, 0, 1 << 30))
    pictures = draw([(96, 128), (128, 128)])
    good, torn, nobody, other = engine.detect(
        [
            Item("acme", "v1", pictures[0]),
            Item("torn", "v1", pictures[0]),
            Item("nobody", "v1", pictures[0]),
            Item("bolt", "v1", pictures[1]),
        ]
    )
    assert isinstance(torn, WeightsInvalid)
    assert isinstance(nobody, ModelUnavailable)
    assert isinstance(good, Found)
    assert isinstance(other, Found)
    assert_same([good, other], Detector("yolov5nu", 4, weights).detect(pictures))
    assert engine.models.resident.size <= 2 * weights.stat().st_size
    engine.close()


def test_bf16_is_close(tmp_path: Path) -> None:
    probe = make_probe(tmp_path)
    wanted = TorchRuntime("cpu").load(probe.weights, probe.description).detect(probe.pictures)
    runtime = OpenVinoRuntime("bf16", 1)
    found = runtime.load(probe.weights, probe.description).detect(probe.pictures)
    assert agree(wanted, found, CLOSE) >= CLOSE.share


def test_the_device_proves_that_it_computes(runtime: OpenVinoRuntime) -> None:
    runtime.check()


def test_an_unknown_layer_is_refused() -> None:
    detector = build_detector("yolov5nu", 1)
    layers: list[torch.nn.Module] = detector.model  # type: ignore[assignment]  # ultralytics is not typed
    layers[11] = torch.nn.PixelShuffle(2)
    layers[11].f = -1  # type: ignore[assignment]  # where ultralytics keeps it
    with pytest.raises(Unbuildable, match="PixelShuffle"):
        build_graph(detector)


@pytest.mark.skipif(sys.platform != "linux", reason="niceness is a thread's own on Linux")
def test_what_computes_does_not_step_back_as_what_loads_does() -> None:
    runtime = OpenVinoRuntime("f32", 2, 2)
    before = list_niceness()

    def load() -> tuple[int, object]:
        own = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, own, 19)
        return own, runtime.find_network(describe(5))

    with ThreadPoolExecutor(1) as loader:
        own, _network = loader.submit(load).result()
        started = {thread: nice for thread, nice in list_niceness().items() if thread not in before}
    assert started.pop(own) == 19
    assert set(started.values()) <= set(before.values())


def list_niceness() -> dict[int, int]:
    """Of each thread of this process."""
    threads = map(int, os.listdir("/proc/self/task"))
    return {thread: os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}
