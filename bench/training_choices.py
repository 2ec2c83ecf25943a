"""The choices that `bench.training` compares, each one step from the trainer's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CHOSEN, PEER = "chosen", "plain yolo train"


@dataclass(frozen=True)
class Choice:
    """What differs from the trainer's own choices, in its options and in its recipe."""

    options: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)


CHOICES = {
    CHOSEN: Choice(),
    PEER: Choice(),
    "freeze 0": Choice({"freeze": 0}),
    "416 px": Choice({"image_size": 416}),
    "480 px": Choice({"image_size": 480}),
    "640 px": Choice({"image_size": 640}),
    "20 epochs": Choice({"epochs": 20}),
    "40 epochs": Choice({"epochs": 40}),
    "80 epochs": Choice({"epochs": 80}),
    "last epoch": Choice(recipe={"kept_epoch": "last"}),
    "no mosaic": Choice(recipe={"mosaic": 0.0}),
    "no rotation": Choice(recipe={"degrees": 0.0}),
    "rotation 45": Choice(recipe={"degrees": 45.0}),
    "scale 0.2": Choice(recipe={"scale": 0.2}),
    "scale 0.6": Choice(recipe={"scale": 0.6}),
    "no hsv": Choice(recipe={"hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0}),
    "half hsv": Choice(recipe={"hsv_h": 0.0075, "hsv_s": 0.35, "hsv_v": 0.2}),
    "perspective": Choice(recipe={"perspective": 0.0005}),
    "mirrored": Choice(recipe={"fliplr": 0.5}),
    "mirrored, upside down": Choice(recipe={"fliplr": 0.5, "flipud": 0.5}),
    "learning rate 0.0005": Choice({"learning_rate": 0.0005}),
    "learning rate 0.005": Choice({"learning_rate": 0.005}),
    "SGD 0.01": Choice({"learning_rate": 0.01}, {"optimizer": "SGD"}),
}
