"""What an explanation is drawn from, once somebody asks for it: a tenth of the work of drawing it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from assay_shared.appearance.patches import Doubles, Floats, Patch

Outline = npt.NDArray[np.int32]

QUALITY = 85
"""Of the patch as JPEG: it is shown at half its size."""


class SketchCorrupt(ValueError):
    """The bytes are no sketch."""


@dataclass(frozen=True)
class Sketch:
    """`patch` of the photo; `pose` (3, 4) from the full frame to photo pixels and `bend` (k,) as in
    `Aligned`, None where the patch could not be aligned; `outlines` (n, 1, 2) in frame pixels, around what
    departs."""

    patch: Patch
    pose: Doubles | None
    bend: Floats
    outlines: tuple[Outline, ...]


def pack_sketch(sketch: Sketch) -> bytes:
    """A sketch as safetensors, its patch as JPEG. Raises ValueError for a patch that no JPEG can hold."""
    patch = sketch.patch
    done, data = cv2.imencode(
        ".jpg", cv2.cvtColor(patch.pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    if not done:
        raise ValueError("the patch cannot be encoded")
    place = [patch.left, patch.top, patch.scale, patch.photo_width, patch.photo_height]
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "patch": np.asarray(data, np.uint8).ravel(),
        "place": np.array(place, np.float64),
        "bend": np.ascontiguousarray(sketch.bend, np.float32),
    }
    if sketch.pose is not None:
        arrays["pose"] = np.ascontiguousarray(sketch.pose, np.float64)
    for number, outline in enumerate(sketch.outlines):
        arrays[f"outline.{number}"] = np.ascontiguousarray(outline, np.int32)
    return bytes(save(arrays))


def unpack_sketch(data: bytes) -> Sketch:
    """The sketch in a file. Raises SketchCorrupt."""
    try:
        arrays = load(data)
        left, top, scale, width, height = (float(value) for value in arrays["place"])
        pixels = cv2.imdecode(np.asarray(arrays["patch"], np.uint8), cv2.IMREAD_COLOR_RGB)
        if pixels is None:
            raise SketchCorrupt("the patch is no picture")
        count = sum(name.startswith("outline.") for name in arrays)
        pose = arrays.get("pose")
        return Sketch(
            Patch(np.asarray(pixels, np.uint8), left, top, scale, int(width), int(height)),
            None if pose is None else np.asarray(pose, np.float64),
            np.asarray(arrays["bend"], np.float32),
            tuple(np.asarray(arrays[f"outline.{number}"], np.int32) for number in range(count)),
        )
    except (SafetensorError, KeyError, ValueError, cv2.error) as error:
        raise SketchCorrupt(f"no sketch of an explanation: {error}") from error
