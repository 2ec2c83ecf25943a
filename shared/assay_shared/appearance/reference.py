"""The reference: what all genuine photos of a product have in common, made of them alone."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from assay_shared.appearance.fineness import split_bands
from assay_shared.appearance.frames import HALF, Frame, make_frame
from assay_shared.appearance.patches import Flags, Floats, Pixels, shrink

EDGE = 6
"""Frame pixels from where the photos cease to be alike up to which it is the product's edge, or what is
behind it, in one or the other of them."""


@dataclass(frozen=True)
class Reference:
    """`pixels` uint8 (h, w, 3), the median of the aligned photos; `mask` (h, w), where the print is that is
    judged, and `inner`, the same less its EDGE; `alike` (h, w), all that the photos have in common, print
    that is not judged included; `half` the pixels at half size; `lightness` (h, w) and its `bands`
    (`fineness.split_bands`)."""

    pixels: Pixels
    mask: Flags
    inner: Flags
    alike: Flags
    frame: Frame
    half: Pixels
    lightness: Floats
    bands: list[Floats]


def make_reference(pixels: Pixels, mask: Flags, alike: Flags, relief: Floats, modes: Floats) -> Reference:
    """A reference from what has to be kept of it."""
    frame = make_frame(pixels, mask, relief, modes)
    half = cv2.resize(pixels, (frame.width // HALF, frame.height // HALF), interpolation=cv2.INTER_AREA)
    lightness = to_lightness(pixels.astype(np.float32))
    return Reference(
        pixels,
        mask,
        shrink(mask, EDGE),
        alike,
        frame,
        np.asarray(half, np.uint8),
        lightness,
        split_bands(lightness),
    )


def to_lightness(picture: Floats) -> Floats:
    """Lightness (h, w) of RGB (h, w, 3): Rec. 601."""
    return np.asarray(cv2.transform(picture, np.array([[0.299, 0.587, 0.114]], np.float32)), np.float32)
