"""What the pictures themselves say before the GPU is spent: which are near-duplicates, what they lack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from assay_shared.errors import AssayError
from assay_shared.likeness import NEAR_BITS, find_roots, name_group
from assay_shared.perceptual_hash import SIDE, hash_grey
from assay_shared.variety import find_uniform
from assay_shared.wire import DatasetItem, DatasetManifest, LabelRole, Shortage

SMALL = 160
"""Pixels of a picture's long side that tell its light; JPEG is decoded at an eighth."""


class PicturesInsufficient(AssayError):
    """The pictures cannot support a model; the reason says which, and what to add."""

    type = "pictures-insufficient"
    title = "The pictures cannot support a model"
    status = 422


@dataclass(frozen=True)
class _Glance:
    """A picture's perceptual hash; by product label, the product's brightness, and its red to its blue."""

    bits: int
    light: dict[str, tuple[float, float]]


def prepare_dataset(manifest: DatasetManifest, images: Path) -> tuple[DatasetManifest, list[str]]:
    """The dataset as it may be learnt and judged by, and what was changed, for the log.

    The registry links a picture to one other that it nearly repeats, and old dataset versions name no groups;
    so all pairs are compared here again. A held-out picture that nearly repeats one that is learnt from is
    left out: it would judge nothing. `group` of every picture and `warnings` are complete then. Raises
    PicturesInsufficient when nothing is left to learn from or to judge by.
    """
    with ThreadPoolExecutor(4) as pool:
        glances = list(pool.map(lambda item: _look_at(manifest, images, item), manifest.items))
    roots = find_roots(
        {item.sha256: name_group(item) for item in manifest.items},
        _find_near(manifest.items, [glance.bits for glance in glances]),
    )
    grouped = [item.model_copy(update={"group": roots[item.sha256]}) for item in manifest.items]
    learnt = {item.group for item in grouped if item.split == "train"}
    kept = [item for item in grouped if item.split == "train" or item.group not in learnt]
    gone = [item.sha256 for item in grouped if item.split == "val" and item.group in learnt]
    _check_both_splits(kept, len(gone))
    warnings = list(manifest.warnings) + _find_uniform_light(manifest, grouped, glances)
    told = [
        f"left out: held-out picture {sha256} nearly repeats one that is learnt from, so it judges nothing"
        for sha256 in gone
    ]
    return manifest.model_copy(update={"items": kept, "warnings": warnings}), told


def _look_at(manifest: DatasetManifest, images: Path, item: DatasetItem) -> _Glance:
    with Image.open(images / f"{item.sha256}.{item.extension}") as picture:
        picture.draft("RGB", (SMALL, SMALL))
        small = picture.convert("RGB")
    grey = small.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    small.thumbnail((SMALL, SMALL), Image.Resampling.BOX)
    products = {label.name for label in manifest.labels if label.role is LabelRole.PRODUCT}
    pixels = np.asarray(small, np.float64)
    down, across = pixels.shape[0] / item.height, pixels.shape[1] / item.width
    light = {}
    for box in item.annotations:
        if box.label in products:
            left, top = int(box.left * across), int(box.top * down)
            right, bottom = (box.left + box.width) * across, (box.top + box.height) * down
            inside = pixels[top : max(top + 1, round(bottom)), left : max(left + 1, round(right))]
            light[box.label] = _measure_light(inside)
    return _Glance(int(hash_grey(np.asarray(grey)), 16), light)


def _measure_light(pixels: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Brightness, and red to blue, of the middle pixel in each channel; one is added, for black has none."""
    red, green, blue = np.median(pixels.reshape(-1, 3), axis=0) + 1
    return float(red + green + blue), float(red / blue)


def _find_near(items: Sequence[DatasetItem], bits: list[int]) -> list[tuple[str, str]]:
    hashes = np.array(bits, np.uint64)
    pairs = []
    for row, item in enumerate(items):
        differing = np.bitwise_xor(hashes[:row], hashes[row])
        counts = np.unpackbits(differing.view(np.uint8).reshape(-1, 8), axis=1).sum(1)
        near = np.flatnonzero(counts <= NEAR_BITS).tolist()
        pairs += [(item.sha256, items[other].sha256) for other in near]
    return pairs


def _check_both_splits(items: Sequence[DatasetItem], gone: int) -> None:
    splits = {item.split for item in items}
    for split, purpose in (("train", "to learn from"), ("val", "to judge a model by")):
        if split not in splits:
            why = f": all {gone} that were held out nearly repeat one that is learnt from" if gone else ""
            raise PicturesInsufficient(
                f"No picture is left {purpose}{why}. Upload photos of other scenes and start a new run"
            )


def _find_uniform_light(
    manifest: DatasetManifest, items: Sequence[DatasetItem], glances: Sequence[_Glance]
) -> list[Shortage]:
    by_label: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    for item, glance in zip(items, glances, strict=True):
        for label, light in glance.light.items():
            by_label[label].setdefault(name_group(item), light)
    found = []
    for label in sorted(by_label):
        brightness, colour = zip(*by_label[label].values(), strict=True)
        short = find_uniform(label, "light", brightness, colour)
        if short is not None:
            found.append(short)
    return found
