"""A brand's photos as `python -m bench.brands` wrote them, and the boxes by which they are cut out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from assay_inference.geometry import Rectangle
from assay_inference.pictures import Picture, decode
from assay_shared.wire import LabelRole

KINDS = ("hue-shift", "low-resolution", "proportions", "missing-element", "altered-text", "moved-logo")
"""Of fakes, none ever learnt from."""
TRAIN, GENUINE, OTHERS = "train", "genuine", "distractors"
TESTED = (GENUINE, *KINDS, OTHERS)
PRODUCT = "product"
JITTER = 0.04
"""Standard deviation of a moved edge, in shares of the box: boxes then overlap the true ones by some .85, as
a detector's do."""
MAX_PIXELS = 100_000_000


@dataclass(frozen=True)
class Box:
    """A thing that was found, or annotated (`confidence` 1); `box` in pixels of the photo."""

    label: str
    confidence: float
    box: Rectangle


@dataclass(frozen=True)
class Photo:
    """One photo: the set it belongs to, its file, and what the manifest says of it."""

    kind: str
    path: Path
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        """The file under the brand's folder."""
        return f"{self.kind}/{self.path.name}"

    def read(self, share: float = 1.0) -> Picture:
        """The picture, decoded as serving decodes it; of fewer pixels, `share` each way."""
        picture = decode(self.path.read_bytes(), MAX_PIXELS)
        if share == 1:
            return picture
        pixels = cv2.resize(picture.pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        width, height = round(share * picture.width), round(share * picture.height)
        return Picture(np.asarray(pixels, np.uint8), width, height, b"")

    def read_annotation(self) -> list[Box]:
        """Its annotation, the product first; the whole photo for another product's, which has none."""
        annotation = json.loads(self.path.with_suffix(".json").read_text())
        names = {one["class_id"]: one["name"] for one in annotation["categories"]}
        boxes = []
        for one in annotation["annotations"]:
            left, top, width, height = (float(one[key]) for key in ("left", "top", "width", "height"))
            boxes.append(Box(names[one["class_id"]], 1.0, (left, top, left + width, top + height)))
        if boxes:
            return sorted(boxes, key=lambda one: one.label != PRODUCT)
        size = annotation["image_size"][0]
        return [Box(PRODUCT, 1.0, (0.0, 0.0, float(size["width"]), float(size["height"])))]

    def move_annotation(self) -> Box:
        """The product of its annotation, edges moved about as a detector's are."""
        product = self.read_annotation()[0]
        if self.kind == OTHERS:
            return product
        left, top, right, bottom = product.box
        across, down = right - left, bottom - top
        moves = np.random.default_rng(int(self.path.stem)).normal(0, JITTER, 4) * [across, down, across, down]
        x0, y0, x1, y1 = (float(edge) for edge in np.array(product.box) + moves)
        return Box(PRODUCT, 1.0, (x0, y0, x1, y1))


def list_photos(folder: Path, sets: tuple[str, ...], most: int | None = None) -> Iterator[Photo]:
    """The photos of a brand's folder set by set, `most` of each."""
    facts = _read_facts(folder.parent)
    for kind in sets:
        for path in sorted((folder / kind).glob("*.jpg"))[:most]:
            yield Photo(kind, path, facts.get(f"{folder.name}/{kind}/{path.name}", {}))


def read_roles(folder: Path) -> dict[str, LabelRole]:
    """The roles of a brand's labels."""
    labels = _read_manifest(folder.parent)["brands"][folder.name]["labels"]
    return {name: LabelRole(role) for name, role in labels.items()}


def _read_facts(root: Path) -> dict[str, dict[str, Any]]:
    return {entry["file"]: entry for entry in _read_manifest(root)["photos"]}


@lru_cache(maxsize=2)
def _read_manifest(root: Path) -> Any:
    return json.loads((root / "manifest.json").read_text())
