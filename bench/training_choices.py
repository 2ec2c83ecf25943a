"""The choices that `bench.training` compares, each one step from its base, those that tell most first."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from assay_shared.wire import TrainingOptions
from assay_trainer.recipe import RECIPE, Recipe

BASE, PEER = "base", "plain yolo train"
PEER_EPOCHS = 100
"""Ultralytics' default."""


@dataclass(frozen=True)
class Choice:
    """What differs from the base, in its options and in its recipe; `epochs` is a multiple of the base's."""

    options: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    epochs: float = 1.0

    def settle(self, epochs: int, image_size: int) -> tuple[TrainingOptions, Recipe]:
        """The options and the recipe of a training, for a base of so many epochs and pixels."""
        options = {"epochs": round(self.epochs * epochs), "image_size": image_size} | self.options
        return TrainingOptions(**options), replace(RECIPE, **self.recipe)


CHOICES = {
    BASE: Choice(),
    "freeze 0": Choice({"freeze": 0}),
    "no mosaic": Choice(recipe={"mosaic": 0.0}),
    "another seed": Choice({"seed": 2}),
    "half the epochs": Choice(epochs=0.5),
    "batch 4": Choice({"batch": 4}),
    "mirrored, upside down": Choice(recipe={"fliplr": 0.5, "flipud": 0.5}),
    PEER: Choice({"epochs": PEER_EPOCHS}),
    "no hsv": Choice(recipe={"hsv_h": 0.0, "hsv_s": 0.0, "hsv_v": 0.0}),
    "480 px": Choice({"image_size": 480}),
    "mosaic for a third": Choice(recipe={"mosaic_until": 1 / 3}),
    "rotation 20": Choice(recipe={"degrees": 20.0}),
    "640 px": Choice({"image_size": 640}),
    "320 px": Choice({"image_size": 320}),
    "twice the epochs": Choice(epochs=2.0),
    "mirrored": Choice(recipe={"fliplr": 0.5}),
    "mosaic to the end": Choice(recipe={"mosaic_until": 1.0}),
    "rotation 5": Choice(recipe={"degrees": 5.0}),
    "scale 0.2": Choice(recipe={"scale": 0.2}),
    "scale 0.6": Choice(recipe={"scale": 0.6}),
    "perspective": Choice(recipe={"perspective": 0.0005}),
    "learning rate 0.001": Choice({"learning_rate": 0.001}),
    "learning rate 0.004": Choice({"learning_rate": 0.004}),
    "SGD 0.01": Choice({"learning_rate": 0.01}, {"optimizer": "SGD"}),
}


def describe_settings(name: str, options: TrainingOptions, recipe: Recipe) -> dict[str, Any]:
    """What the result of a training depends on, but for its pictures and its machine; the peer has only the
    options that are passed to it."""
    if name == PEER:
        return {"peer": True, "epochs": options.epochs, "image_size": options.image_size}
    return {"options": options.model_dump(), "recipe": asdict(recipe)}
