"""A dataset version as ultralytics wants it on disk."""

from __future__ import annotations

from pathlib import Path

import yaml
from PIL import Image

from assay_shared.wire import DatasetItem, DatasetManifest

MARGIN = 1.5
"""Pictures are kept at this many times the training size: mosaic and scaling need more than the size itself,
and decoding 12 megapixels anew for every epoch would cost more than the training."""
QUALITY = 95


def write_dataset(manifest: DatasetManifest, images: Path, folder: Path, image_size: int) -> Path:
    """Writes `images/{train,val}`, `labels/{train,val}` and `data.yaml`; returns the last's path.

    Boxes become centre and size as shares of the picture, one text file a picture. Sanitised pictures are
    upright and sRGB already.
    """
    classes = {label.name: index for index, label in enumerate(manifest.labels)}
    for item in manifest.items:
        picture = folder / "images" / item.split / f"{item.sha256}.jpg"
        labels = folder / "labels" / item.split / f"{item.sha256}.txt"
        for path in (picture, labels):
            path.parent.mkdir(parents=True, exist_ok=True)
        _write_picture(images / f"{item.sha256}.{item.extension}", picture, round(MARGIN * image_size))
        labels.write_text("".join(_write_boxes(item, classes)))
    data = folder / "data.yaml"
    data.write_text(
        yaml.safe_dump(
            {
                "path": str(folder.resolve()),
                "train": "images/train",
                "val": "images/val",
                "names": {index: label.name for index, label in enumerate(manifest.labels)},
            }
        )
    )
    return data


def _write_picture(source: Path, target: Path, longest: int) -> None:
    with Image.open(source) as picture:
        picture.draft("RGB", (longest, longest))
        small = picture.convert("RGB")
    small.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    small.save(target, "JPEG", quality=QUALITY)


def _write_boxes(item: DatasetItem, classes: dict[str, int]) -> list[str]:
    lines = []
    for box in item.annotations:
        x, y = (box.left + box.width / 2) / item.width, (box.top + box.height / 2) / item.height
        width, height = box.width / item.width, box.height / item.height
        lines.append(f"{classes[box.label]} {x:.6f} {y:.6f} {width:.6f} {height:.6f}\n")
    return lines
