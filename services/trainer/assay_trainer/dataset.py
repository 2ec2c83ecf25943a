"""A dataset version as ultralytics wants it on disk."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from statistics import median

import yaml
from PIL import Image

from assay_shared.wire import DatasetItem, DatasetManifest

TRAIN_LIST = "train.txt"
MARGIN = 1.5
"""Pictures are kept at this many times the training size: mosaic and scaling need more than the size itself,
and decoding 12 megapixels anew for every epoch would cost more than the training."""
QUALITY = 95
WRITERS = 8
"""Pictures at a time, each of 12 megapixels up to 150 MB while it is decoded."""
MAX_REPEATS = 3
"""How often a picture of a rare label is shown in one epoch, at most. Known fakes are always rare: 6 among 50
pictures, shown once an epoch, are not learned in 20 epochs; shown thrice they are."""


def write_dataset(manifest: DatasetManifest, images: Path, folder: Path, image_size: int) -> Path:
    """Writes `images/{train,val}`, `labels/{train,val}`, `train.txt`, `data.yaml`; returns the last's path.

    `train.txt` names the pictures of an epoch, those of rare labels more than once. Boxes become centre and
    size as shares of the picture, one text file a picture. Sanitised pictures are upright and sRGB already.
    """
    classes = {label.name: index for index, label in enumerate(manifest.labels)}
    for kind, split in product(("images", "labels"), ("train", "val")):
        (folder / kind / split).mkdir(parents=True, exist_ok=True)

    def write(item: DatasetItem) -> None:
        picture = folder / "images" / item.split / f"{item.sha256}.jpg"
        _write_picture(images / f"{item.sha256}.{item.extension}", picture, round(MARGIN * image_size))
        labels = folder / "labels" / item.split / f"{item.sha256}.txt"
        labels.write_text("".join(_write_boxes(item, classes)))

    # Pillow decodes and reduces outside of Python's lock.
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, manifest.items))
    repeats = count_repeats(manifest)
    shown = [item.sha256 for item in manifest.items for _ in range(repeats.get(item.sha256, 0))]
    (folder / TRAIN_LIST).write_text("".join(f"./images/train/{sha256}.jpg\n" for sha256 in shown))
    data = folder / "data.yaml"
    data.write_text(
        yaml.safe_dump(
            {
                "path": str(folder.resolve()),
                "train": TRAIN_LIST,
                "val": "images/val",
                "names": {index: label.name for index, label in enumerate(manifest.labels)},
            }
        )
    )
    return data


def count_repeats(manifest: DatasetManifest) -> dict[str, int]:
    """How often each training picture is shown in one epoch, by sha256: as often as its rarest label must be
    to be seen as often as the label in the middle is, but at most MAX_REPEATS times."""
    train = [item for item in manifest.items if item.split == "train"]
    pictures = Counter(label for item in train for label in {box.label for box in item.annotations})
    usual = median(pictures.values()) if pictures else 0
    wanted = {label: min(MAX_REPEATS, max(1, round(usual / count))) for label, count in pictures.items()}
    return {item.sha256: max((wanted[box.label] for box in item.annotations), default=1) for item in train}


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
