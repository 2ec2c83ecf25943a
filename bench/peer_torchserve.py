"""TorchServe as one would use it with ultralytics, the peer of `bench.engine_peers`.

Two handlers: one model a worker (each brand a TorchServe model of its own), and one worker with a dict of
`YOLO` objects. Both get ready 640 x 640 pictures as raw bytes, which spares them decoding JPEGs. TorchServe
wants exactly one class in a handler's module, so each is written out as a text.
"""

from __future__ import annotations

import json
from pathlib import Path

from assay_engine.torchserve_files import LOG4J, list_arguments
from deploy.local.ports import Ports

COMMON = """
import os

import numpy as np
import torch

from assay_shared.detector.architecture import build_detector
from assay_shared.detector.weights import load_weights


def build(path, labels):
    from pathlib import Path

    from ultralytics import YOLO

    folded = build_detector("yolov5nu", labels)
    load_weights(folded, Path(path))
    model = YOLO("yolov5n.yaml", task="detect")
    model.model = folded
    model.predict(np.full((480, 640, 3), 114, np.uint8), imgsz=640, device="cpu", verbose=False)
    return model


def predict(model, body):
    # ultralytics takes arrays as BGR.
    picture = np.frombuffer(body, np.uint8).reshape(480, 640, 3)[..., ::-1]
    boxes = model.predict(picture, imgsz=640, device="cpu", verbose=False, conf=0.05)[0].boxes
    return boxes.data.numpy().astype(np.float32).tobytes()
"""
ONE_BRAND = (
    COMMON
    + """

class Handler:
    def initialize(self, context):
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        folder = context.system_properties["model_dir"]
        self._model = build(os.path.join(folder, "model.safetensors"), int(os.environ["PEER_LABELS"]))

    def handle(self, data, context):
        return [predict(self._model, request["body"]) for request in data]
"""
)
MANY_BRANDS = (
    COMMON
    + """

class Handler:
    def initialize(self, context):
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        self._models = {}

    def handle(self, data, context):
        answers = []
        for request in data:
            body = bytes(request["body"])
            brand, picture = body[:32].decode().strip(), body[32:]
            if brand not in self._models:
                path = os.path.join(os.environ["PEER_MODELS"], brand, "v1", "model.safetensors")
                self._models[brand] = build(path, int(os.environ["PEER_LABELS"]))
            answers.append(predict(self._models[brand], picture))
        return answers
"""
)


def write_model(store: Path, name: str, handler: str, weights: Path | None) -> None:
    """One TorchServe model with one worker."""
    folder = store / name
    (folder / "MAR-INF").mkdir(parents=True)
    (folder / f"{name.replace('-', '_')}_handler.py").write_text(handler)
    if weights is not None:
        (folder / "model.safetensors").symlink_to(weights)
    manifest = {
        "archiverVersion": "0.12.0",
        "runtime": "python",
        "model": {
            "modelName": name,
            "modelVersion": "1.0",
            "handler": f"{name.replace('-', '_')}_handler.py",
            "configFile": "model-config.yaml",
        },
    }
    (folder / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(manifest))
    (folder / "model-config.yaml").write_text(
        "minWorkers: 1\nmaxWorkers: 1\nbatchSize: 1\nmaxBatchDelay: 0\nresponseTimeout: 120\n"
        "startupTimeout: 300\n"
    )


def command(home: Path, package: Path, java: str, ports: Ports, name: str) -> list[str]:
    """Java's command line for the models under `{home}/store`, all loaded at the start."""
    (home / "log4j2.xml").write_text(LOG4J)
    (home / "tmp").mkdir()
    lines = {
        "inference_address": f"http://127.0.0.1:{ports.get(name)}",
        "management_address": f"http://127.0.0.1:{ports.get(f'{name}-management')}",
        "metrics_address": f"http://127.0.0.1:{ports.get(f'{name}-metrics')}",
        "grpc_inference_port": 0,
        "grpc_management_port": 0,
        "enable_model_api": "true",
        "disable_token_authorization": "true",
        "disable_system_metrics": "true",
        "load_models": "all",
        "max_request_size": 64 << 20,
        "number_of_gpu": 0,
        "model_store": home / "store",
    }
    (home / "config.properties").write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
    return [java, *list_arguments(package, home, home / "tmp")]
