"""What the self-check asks: a detector and pictures made from fixed numbers.

Freshly initialised weights would not do: layer by layer the signal dies or explodes, and with it every error
that a runtime makes. So the weights are drawn at the scale at which it just survives, and the head's last
layers are stretched until its logits spread as a trained detector's do. Then an error of a rounding stays a
small error and a wrong layer is a wrong answer, which is all that random weights can show: whether bf16 keeps
the answers of trained detectors was measured on trained ones (ARCHITECTURE.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from assay_engine.framing import Pixels
from assay_shared.detector.architecture import build_detector
from assay_shared.detector.preprocess import find_window, letterbox
from assay_shared.detector.weights import save_weights
from assay_shared.model_description import Metrics, ModelDescription, ModelLabel
from assay_shared.wire import LabelRole

ARCHITECTURE, LABELS, SIDE = "yolov5nu", 4, 640
SHAPES = ((480, 640), (640, 352))
"""Height and width of the pictures inside their grey borders: an upright photo, and a narrow one."""
GAIN = 1.5
"""Of a convolution's random weights, over the root of its inputs. Tried: at 1.4 little of the picture reaches
the head, at 1.6 small differences grow from layer to layer."""
BOX_SPREAD, LABEL_SPREAD = 2.0, 2.5
"""Standard deviations of the head's logits."""
FOUND = 60
"""Anchors whose confidence reaches one half."""


@dataclass(frozen=True)
class Probe:
    """The weights file and its description; pictures (n, SIDE, SIDE, 3), uint8."""

    weights: Path
    description: ModelDescription
    pictures: Pixels


def make_probe(folder: Path) -> Probe:
    """Writes the detector into `folder` and draws the pictures: the same on every machine, in 0.5 s."""
    rng = np.random.default_rng(1)
    pictures = np.stack([_draw(rng, *shape) for shape in SHAPES])
    detector = build_detector(ARCHITECTURE, LABELS)
    fill_weights(detector, torch.Generator().manual_seed(1))
    left, top, right, bottom = find_window(pictures[0])
    stretch_head(detector, torch.from_numpy(pictures[:1, top:bottom, left:right]))
    path = folder / "probe.safetensors"
    save_weights(detector, path)
    return Probe(path, _describe(), pictures)


def _draw(rng: np.random.Generator, height: int, width: int) -> Pixels:
    coarse = rng.integers(0, 255, (height // 16, width // 16, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    return letterbox(picture, SIDE)[0]


def fill_weights(detector: torch.nn.Module, generator: torch.Generator) -> None:
    """Draws the weights of a folded detector at the scale at which a picture's signal survives."""
    for name, weight in detector.named_parameters():
        if not name.endswith(".dfl.conv.weight"):
            spread = GAIN / weight[0].numel() ** 0.5 if weight.ndim == 4 else 0.1
            weight.normal_(0, spread, generator=generator)


def stretch_head(detector: Any, pictures: torch.Tensor) -> None:
    """Gives each logit mean 0 and its spread over pictures (B, H, W, 3); then moves those of the labels down
    until FOUND anchors are surer than one half."""
    head = detector.model[-1]
    boxes, labels = [branch[-1] for branch in head.cv2], [branch[-1] for branch in head.cv3]
    scaled = pictures.permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode(), _outputs([*boxes, *labels]) as outputs:
        detector(scaled)
        spreads = dict.fromkeys(boxes, BOX_SPREAD) | dict.fromkeys(labels, LABEL_SPREAD)
        for layer, spread in spreads.items():
            logits = outputs[layer]
            factor = spread / logits.std((0, 2, 3))
            layer.weight *= factor[:, None, None, None]
            layer.bias.copy_((layer.bias - logits.mean((0, 2, 3))) * factor)
        detector(scaled)
        strongest = torch.cat([outputs[layer].amax(1).flatten() for layer in labels])
        for layer in labels:
            layer.bias -= strongest.topk(FOUND).values[-1]


@contextmanager
def _outputs(layers: list[Any]) -> Iterator[dict[Any, torch.Tensor]]:
    """What layers gave when the detector last ran."""
    outputs: dict[Any, torch.Tensor] = {}
    hooks = [
        layer.register_forward_hook(lambda one, _given, output: outputs.update({one: output}))
        for layer in layers
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _describe() -> ModelDescription:
    nothing = Metrics(
        map50=0,
        map50_95=0,
        image_accuracy=0,
        image_accuracy_low=0,
        image_accuracy_high=0,
        images=0,
        per_label={},
    )
    return ModelDescription(
        brand="probe",
        version="probe",
        run="probe",
        dataset_version="probe",
        architecture=ARCHITECTURE,
        image_size=SIDE,
        labels=[
            ModelLabel(index=index, name=f"label-{index}", role=LabelRole.MARK, threshold=0.5)
            for index in range(LABELS)
        ],
        required_marks={},
        metrics=nothing,
        base_weights={},
        created_at=datetime.now(UTC),
        files={},
    )
