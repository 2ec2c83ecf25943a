"""The photos of one brand as files: to learn from, genuine ones to judge, fakes, other brands' products."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from bench.brands.catalog import invent
from bench.brands.fakes import KINDS
from bench.brands.photo import Scene, Shot, shoot
from bench.brands.product import PRODUCT, Product
from deploy.local.photos.catalog import make_brand
from deploy.local.photos.files import annotation_json, encode_photo
from deploy.local.photos.render import Photo, render_photo

TRAIN, GENUINE, DISTRACTORS = "train", "genuine", "distractors"

_FIRST_STRANGER, _FIRST_DEMO_BRAND = 50, 920_000
"""Brands from these numbers on only ever play other brands' products."""


@dataclass(frozen=True)
class Counts:
    """How many photos a brand gets; `fakes` are of each kind."""

    train: int = 62
    genuine: int = 32
    fakes: int = 8
    distractors: int = 10


@dataclass(frozen=True)
class Task:
    """One photo to make: `folder` is its set, and the kind of fake where it is one."""

    brand: str
    folder: str
    index: int
    long_side: int

    @property
    def file(self) -> str:
        """Return the photo's path below the collection's folder."""
        return f"{self.brand}/{self.folder}/{self.index:03d}.jpg"


def list_tasks(brand: str, counts: Counts, long_side: int) -> Iterator[Task]:
    """List a brand's photos."""
    sets = {TRAIN: counts.train, GENUINE: counts.genuine, **dict.fromkeys(KINDS, counts.fakes)}
    for folder, count in {**sets, DISTRACTORS: counts.distractors}.items():
        for index in range(count):
            yield Task(brand, folder, index, long_side)


def make_photo(out: Path, task: Task) -> dict[str, Any]:
    """Write a photo and its annotation below `out`; return what the manifest says of it.

    `file`, `brand`, `set`, `kind`, `width`, `height`, `note` (what a fake has changed, whose product a
    distractor is); and of all but demo brands' products: `product_long_side` (of its box, pixels),
    `blur_sigma` (pixels), `glare`, `pitch`, `yaw`, `roll` and `turn` about its own axis (degrees),
    `jpeg_quality`, `altered` (box left, top, width, height and outline of what a fake changed, in pixels).
    """
    labels = [PRODUCT, *_invent(task.brand).marks]
    shot, note = _take(task)
    if isinstance(shot, Shot):
        facts, jpeg = _describe(shot), shot.jpeg
        photo = Photo(np.broadcast_to(np.uint8(0), (shot.height, shot.width, 3)), shot.boxes, None, "")
    else:
        facts, jpeg, photo = {}, encode_photo(shot, "jpeg", gps=False), shot
    if task.folder == DISTRACTORS:
        photo = replace(photo, boxes=())
    path = out / task.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").write_text(json.dumps(annotation_json(photo, path.name, labels)))
    path.write_bytes(jpeg)
    height, width = photo.pixels.shape[:2]
    kind = task.folder if task.folder in (*KINDS, DISTRACTORS) else GENUINE
    head = {"file": task.file, "brand": task.brand, "set": task.folder, "kind": kind}
    return {**head, "width": width, "height": height, **facts, "note": note}


def describe_brand(brand: str) -> dict[str, Any]:
    """Return what the manifest says of a brand: GTIN, and the labels with their roles."""
    product = _invent(brand)
    roles = {PRODUCT: "product", **dict.fromkeys(product.marks, "mark")}
    return {"family": brand.rpartition("-")[0], "name": product.name, "gtin": product.gtin, "labels": roles}


def _take(task: Task) -> tuple[Shot | Photo, str]:
    if task.folder != DISTRACTORS:
        fake = task.folder if task.folder in KINDS else ""
        split = TRAIN if task.folder == TRAIN else "test"
        shot = shoot(_invent(task.brand), Scene(split, task.folder, task.index), task.long_side, fake)
        return shot, shot.note
    turn = task.index // 2
    if task.index % 2 == 0:
        slug = f"{task.brand.rpartition('-')[0]}-{_FIRST_STRANGER + turn % 3}"
        scene = Scene(task.brand, DISTRACTORS, task.index)
        return shoot(_invent(slug), scene, task.long_side), f"product of {slug}"
    brand = make_brand(_FIRST_DEMO_BRAND + turn)
    seed, height = crc32(task.file.encode()), task.long_side * 3 // 4
    return render_photo(brand, seed, width=task.long_side, height=height), f"product of {brand.slug}"


def _describe(shot: Shot) -> dict[str, Any]:
    altered = None
    if shot.altered is not None:
        low, high = shot.altered.min(axis=0), shot.altered.max(axis=0)
        box = [round(float(part), 1) for part in (*low, *(high - low))]
        altered = {"box": box, "polygon": [[round(float(x), 1), round(float(y), 1)] for x, y in shot.altered]}
    return {
        "product_long_side": max(max(b.width, b.height) for b in shot.boxes if b.label == PRODUCT),
        "blur_sigma": round(shot.capture.blur, 3),
        "glare": shot.glare,
        "pitch": round(shot.pose.pitch, 2),
        "yaw": round(shot.pose.yaw, 2),
        "roll": round(shot.pose.roll, 2),
        "turn": round(shot.turn, 2),
        "jpeg_quality": shot.capture.quality,
        "altered": altered,
    }


@lru_cache(maxsize=8)
def _invent(slug: str) -> Product:
    return invent(slug)
