"""How pictures are changed while a detector learns from them, and what steps it takes; with the reasons.

Phone pictures of one printed thing differ in distance, angle, place, light and what is around it. What such a
picture can be turned into is worth learning from; what no phone makes of a genuine product is not, for it
teaches that a wrong print is right. `python -m bench.training` compares these choices with others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Recipe:
    """What a run does not let brands choose; ultralytics' words and units, its defaults unless said."""

    optimizer: Literal["AdamW", "SGD"] = "AdamW"
    """Finds its step by itself for each weight: with a few hundred steps in all there is no time to tune."""

    fliplr: float = 0.0
    flipud: float = 0.0
    """Dropped: a mirrored or upside-down print is another print, which no genuine product carries; text and
    emblems have a reading direction, and a copied emblem may differ in just that."""

    degrees: float = 0.0
    """Dropped: the box of a turned box is larger than the thing, so a detector that learns from turned
    pictures draws every box too large (mAP50-95 .54 instead of .81 on a can). The photos themselves are
    tilted as phones and hands are."""
    scale: float = 0.4
    """Kept, a little less (ultralytics: .5): distance varies as much; smaller, the marks have no pixels."""
    translate: float = 0.1
    """Kept: the product is seldom in the middle, and sometimes cut off."""
    shear: float = 0.0
    perspective: float = 0.0
    """Dropped: boxes of sheared corners are looser than any that people draw, and the photos themselves show
    the product from aside."""

    hsv_h: float = 0.015
    hsv_s: float = 0.7
    hsv_v: float = 0.4
    """Kept: light changes colour and brightness. The detector finds marks whatever their hue; whether the hue
    is right is not its question."""

    mosaic: float = 1.0
    """Kept: four pictures in one show the product small, cut off and on foreign ground, which a series shot
    on one table lacks."""
    mosaic_until: float = 2 / 3
    """Share of the epochs with it; the last steps see whole pictures."""
    mixup: float = 0.0
    cutmix: float = 0.0
    copy_paste: float = 0.0
    """Dropped: pictures shining through or cut into each other make marks that no print has."""
    erasing: float = 0.0
    """Dropped: a product with a hole where its mark was is what a fake looks like. (Ultralytics erases in
    classification only; said here so that no version of it begins to.)"""

    def overrides(self, epochs: int) -> dict[str, Any]:
        """As ultralytics' trainer takes them, for a run of so many epochs."""
        return {
            "optimizer": self.optimizer,
            "fliplr": self.fliplr,
            "flipud": self.flipud,
            "degrees": self.degrees,
            "scale": self.scale,
            "translate": self.translate,
            "shear": self.shear,
            "perspective": self.perspective,
            "hsv_h": self.hsv_h,
            "hsv_s": self.hsv_s,
            "hsv_v": self.hsv_v,
            "mosaic": self.mosaic,
            "close_mosaic": epochs - round(epochs * self.mosaic_until),
            "mixup": self.mixup,
            "cutmix": self.cutmix,
            "copy_paste": self.copy_paste,
            "erasing": self.erasing,
        }


RECIPE = Recipe()
"""The one that brands' detectors are trained by."""
