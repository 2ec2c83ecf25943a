"""Brands to compare trainings on: invented ones, or a folder of them; each with pictures no training saw."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image, ImageOps

from assay_shared.annotations import parse_annotation
from assay_shared.wire import Annotation, DatasetItem, DatasetManifest, Label, LabelRole
from assay_trainer.prepare import prepare_dataset
from deploy.local.photos.catalog import brand_labels, make_brand
from deploy.local.photos.files import encode_photo
from deploy.local.photos.render import KINDS, render_photo

HELD_OUT_EVERY = 5
FAKES_EVERY = 5
"""One in five pictures to learn from shows a known fake, as in the demo."""
FIRST_SEED = 101
TEST_SCENES = 9_000_000
SIZE = (1280, 960)
UNREDUCED = 65_535
"""Pixels of `longest`: no JPEG has a longer side."""


@dataclass(frozen=True)
class BenchBrand:
    """A brand's dataset version, its pictures (`images/{sha256}.jpg`), and those to test with."""

    name: str
    dataset: DatasetManifest
    test: list[DatasetItem]
    images: Path


def invent_brands(folder: Path, count: int, train: int, test: int, longest: int) -> Iterator[BenchBrand]:
    """Brands of different seeds; `train` pictures to learn from and choose by, `test` of other scenes, every
    second a fake of some kind. What is drawn already is read again."""
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        brand = make_brand(seed)
        source = folder / f"{brand.slug}-{train}-{test}"
        for place in range(train):
            kind = "wrong-logo" if place % FAKES_EVERY == 2 else "genuine"
            _draw(source / "train" / f"{place:03d}.jpg", seed, place, kind)
        for place in range(test):
            kind = KINDS[place // 2 % len(KINDS)] if place % 2 else "genuine"
            _draw(source / "genuine" / f"{place:03d}.jpg", seed, TEST_SCENES + place, kind)
        (source / "labels.json").write_text(json.dumps(brand_labels(brand)))
        yield read_brand(source, folder / "images", train, longest)


def read_brands(root: Path, images: Path, names: Sequence[str], train: int, longest: int) -> list[BenchBrand]:
    """Brands of a folder `{brand}/{train,genuine}/NNN.jpg` with an annotation `.json` beside each picture;
    `{brand}/labels.json` may give the labels' roles. Without names all of them."""
    found = [path.name for path in sorted(root.iterdir()) if (path / "train").is_dir()]
    return [read_brand(root / name, images, train, longest) for name in names or found]


def read_brand(
    source: Path,
    images: Path,
    train: int,
    longest: int,
    roles: dict[str, LabelRole] | None = None,
) -> BenchBrand:
    """One brand of such a folder; its pictures are put into `images`, upright, the longest side of `longest`
    pixels at most. Of the first `train` every fifth is held out, less what nearly repeats one that is learnt
    from. `roles` of its labels, where they are known otherwise than by `labels.json`."""
    images.mkdir(parents=True, exist_ok=True)
    learn = [
        _read_picture(path, "val" if place % HELD_OUT_EVERY == 0 else "train", images, longest)
        for place, path in enumerate(sorted((source / "train").glob("*.jpg"))[:train])
    ]
    test = [
        _read_picture(path, "val", images, longest) for path in sorted((source / "genuine").glob("*.jpg"))
    ]
    manifest = DatasetManifest(
        id="dsv_bench", brand=source.name, labels=_find_labels(source, learn, roles), products=[], items=learn
    )
    dataset, _ = prepare_dataset(manifest, images)
    return BenchBrand(source.name, dataset, test, images)


def _draw(path: Path, seed: int, scene: int, kind: str) -> None:
    if path.with_suffix(".json").exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    photo = render_photo(make_brand(seed), scene, kind=kind, width=SIZE[0], height=SIZE[1])
    path.write_bytes(encode_photo(photo, "jpeg", quality=92, gps=False))
    names = sorted({box.label for box in photo.boxes})
    height, width = photo.pixels.shape[:2]
    document = {
        "file": path.name,
        "image_size": [{"width": width, "height": height, "depth": 3}],
        "annotations": [
            {
                "class_id": names.index(box.label),
                "left": box.left,
                "top": box.top,
                "width": box.width,
                "height": box.height,
            }
            for box in photo.boxes
        ],
        "categories": [{"class_id": number, "name": name} for number, name in enumerate(names)],
    }
    path.with_suffix(".json").write_text(json.dumps(document))


def _read_picture(path: Path, split: Literal["train", "val"], images: Path, longest: int) -> DatasetItem:
    parsed = parse_annotation(json.loads(path.with_suffix(".json").read_text()))
    with Image.open(path) as picture:
        picture.draft("RGB", (longest, longest))
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    upright.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    upright.save(buffer, "JPEG", quality=95)
    data = buffer.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    (images / f"{sha256}.jpg").write_bytes(data)
    across, down = upright.width / parsed.width, upright.height / parsed.height
    return DatasetItem(
        sha256=sha256,
        extension="jpg",
        width=upright.width,
        height=upright.height,
        split=split,
        annotations=[
            Annotation(
                label=box.label,
                left=box.left * across,
                top=box.top * down,
                width=box.width * across,
                height=box.height * down,
            )
            for box in parsed.annotations
        ],
    )


def _find_labels(source: Path, items: list[DatasetItem], known: dict[str, LabelRole] | None) -> list[Label]:
    """The labels with their roles; without `labels.json` the largest thing in a picture is its product."""
    names = sorted({box.label for item in items for box in item.annotations})
    if known is not None:
        return [Label(name=name, role=known[name]) for name in names]
    given = source / "labels.json"
    if given.exists():
        roles: dict[str, str] = json.loads(given.read_text())
        return [Label(name=name, role=LabelRole(roles[name])) for name in names]
    largest = Counter(max(item.annotations, key=_area).label for item in items if item.annotations)
    shown = Counter(label for item in items for label in {box.label for box in item.annotations})
    return [
        Label(name=name, role=LabelRole.PRODUCT if 2 * largest[name] > shown[name] else LabelRole.MARK)
        for name in names
    ]


def _area(box: Annotation) -> float:
    return box.width * box.height
