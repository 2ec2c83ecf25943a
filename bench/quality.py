"""Where a picture is no longer good enough: `python -m bench.quality`, 10 minutes once there is a detector.

A detector trained on the demo's photos (bench/precision.py; ASSAY_BENCH_MODELS keeps it, 4 minutes the first
time) judges held-out pictures, genuine ones and fakes that it can tell, degraded step by step in one way at a
time: blur, pixels, size in the frame, light, contrast, glare. For each step: what `quality.measure` says
(median), products and marks found, verdicts right, without any limit on quality. The limit of a measure is
where the share found (products and marks alike) has fallen by LOST, between steps in straight lines, never
rising on the way down: verdicts turn over by chance near thresholds, what is found falls evenly.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from assay_engine.engine import BrandDetector
from assay_engine.openvino_runtime import OpenVinoRuntime
from assay_inference.checks import counterfeit_marks, marks, product
from assay_inference.checks.evidence import Evidence, Seen, pick_product
from assay_inference.pictures import Picture
from assay_inference.quality import measure
from assay_inference.verdict import rule
from assay_shared.detector.preprocess import letterbox
from assay_shared.detector.rivals import find_unrivalled
from assay_shared.model_description import ModelDescription
from assay_shared.wire import Verdict
from bench.precision import FIRST_SEED, prepare
from deploy.local.photos.catalog import FAKE_LOGO, make_brand
from deploy.local.photos.render import Photo, render_photo

Pixels = npt.NDArray[np.uint8]
Degrade = Callable[[Pixels, float, tuple[int, int, int, int], np.random.Generator], Pixels]

PHOTOS = int(os.environ.get("BENCH_PHOTOS", "96"))
DETECTOR_PIXELS = "long side, detector's pixels"
"""What is left of a product in the detector's frame: `fill` times the model's image size."""
MODELS = Path(os.environ.get("ASSAY_BENCH_MODELS", ".assay/bench"))
SEEN_KINDS = ("genuine", "genuine", "missing-seal", "wrong-logo")
"""Kinds in turn: fakes that a detector alone can tell."""
LOST = 0.02
MARKS = 2
"""Marks to a product in these brands."""


def blur(pixels: Pixels, step: float, box: tuple[int, int, int, int], rng: np.random.Generator) -> Pixels:
    """Defocus; `step`: standard deviation in thousandths of the product's long side."""
    sigma = step * max(box[2:]) / 1000
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8) if sigma > 0 else pixels


def coarsen(pixels: Pixels, step: float, box: tuple[int, int, int, int], rng: np.random.Generator) -> Pixels:
    """A picture of fewer pixels; `step`: the product's short side in pixels."""
    share = min(1.0, step / min(box[2:]))
    return np.asarray(cv2.resize(pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8)


def move_away(
    pixels: Pixels, step: float, box: tuple[int, int, int, int], rng: np.random.Generator
) -> Pixels:
    """The scene smaller in the frame, surroundings of its own colours; `step`: the product's share of the
    frame's long side. The frame stays large, so that only the share changes."""
    height, width = pixels.shape[:2]
    share = min(1.0, step / (max(box[2:]) / width))
    wide = max(width, 2000)
    frame = (wide, wide * height // width)
    around = cv2.GaussianBlur(cv2.resize(pixels, (64, 48), interpolation=cv2.INTER_AREA), (0, 0), 6)
    canvas = cv2.resize(around, frame, interpolation=cv2.INTER_CUBIC)
    scene = cv2.resize(
        pixels, None, fx=share * wide / width, fy=share * wide / width, interpolation=cv2.INTER_LINEAR
    )
    left, top = (canvas.shape[1] - scene.shape[1]) // 2, (canvas.shape[0] - scene.shape[0]) // 2
    canvas[top : top + scene.shape[0], left : left + scene.shape[1]] = scene
    return np.asarray(canvas, np.uint8)


def expose(pixels: Pixels, step: float, box: tuple[int, int, int, int], rng: np.random.Generator) -> Pixels:
    """`step` stops more light (or less), with the noise of a sensor at that light."""
    light = (pixels.astype(np.float32) / 255) ** 2.2 * np.float32(2.0**step)
    light += rng.standard_normal(light.shape, np.float32) * np.sqrt(np.clip(light, 0, 1) * 2e-4 + 1e-5)
    return np.asarray(np.clip(light, 0, 1) ** (1 / 2.2) * 255 + 0.5, np.uint8)


def veil(pixels: Pixels, step: float, box: tuple[int, int, int, int], rng: np.random.Generator) -> Pixels:
    """A smeared lens or haze: `step` is what is left of the contrast."""
    return np.asarray(pixels * np.float32(step) + np.float32(150 * (1 - step)) + 0.5, np.uint8)


def glare(pixels: Pixels, step: float, box: tuple[int, int, int, int], rng: np.random.Generator) -> Pixels:
    """A burnt-out reflection over a share `step` of the product, anywhere on it."""
    if step == 0:
        return pixels
    left, top, width, height = box
    centre = (left + float(rng.uniform(0.15, 0.85)) * width, top + float(rng.uniform(0.15, 0.85)) * height)
    long = float(np.sqrt(step * width * height / np.pi * rng.uniform(1.2, 3.0)))
    short = step * width * height / np.pi / long
    mask = np.zeros(pixels.shape[:2], np.float32)
    cv2.ellipse(mask, (centre, (2 * long, 2 * short), float(rng.uniform(0, 180))), 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 0.02 * max(width, height)) * 1.6
    return np.asarray(np.clip(pixels + 255 * mask[..., None] ** 2, 0, 255), np.uint8)


@dataclass(frozen=True)
class Way:
    """One way to make pictures worse: its steps from best to worst, and the measure that ought to notice."""

    degrade: Degrade
    steps: tuple[float, ...]
    measure: str


WAYS = {
    "blur, thousandths of the product": Way(blur, (0, 1, 2, 3, 4, 5, 6, 8, 10), "sharpness"),
    "product's short side, pixels": Way(coarsen, (900, 300, 220, 180, 150, 120, 100, 80, 60), "short_side"),
    "pixels of the detector's frame": Way(
        move_away, (1, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2), DETECTOR_PIXELS
    ),
    "stops less light": Way(expose, (0, -1, -2, -3, -4, -5, -6), "brightness"),
    "stops more light": Way(expose, (0, 0.7, 1.2, 1.7, 2.2, 2.7, 3.2), "brightness"),
    "contrast left": Way(veil, (1, 0.6, 0.4, 0.3, 0.2, 0.14, 0.1, 0.07), "contrast"),
    "share under glare": Way(glare, (0, 0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2), "glare"),
}


@dataclass(frozen=True)
class Judged:
    """One picture at one step: what was measured on the true product, and what was right."""

    value: float
    product: bool
    marks: tuple[bool, ...]
    verdict: bool


class Judge:
    """A trained detector and the checks that depend on it, without limits on quality."""

    def __init__(self, detector: BrandDetector, description: ModelDescription) -> None:
        self._detector = detector
        self._description = description
        self.image_size = description.image_size

    def judge(self, photo: Photo, pixels: Pixels, name: str) -> Judged:
        """What is found in a degraded `photo`; `name` of the measure to read."""
        picture = Picture(pixels, pixels.shape[1], pixels.shape[0], b"")
        seen = self._look(picture)
        found = pick_product(tuple(seen), None)
        truth = photo.boxes[0]
        quality = measure(picture, self._true_place(photo, pixels))
        evidence = Evidence(
            width=picture.width,
            height=picture.height,
            quality=replace(quality, glare=0.0),
            barcodes=(),
            seen=tuple(seen),
            roles={label.name: label.role for label in self._description.labels},
            required_marks={key: tuple(value) for key, value in self._description.required_marks.items()},
            products=(),
        )
        ruling = rule(
            [product.judge(evidence), marks.judge(evidence, True), counterfeit_marks.judge(evidence)]
        )
        wanted = Verdict.GENUINE if photo.kind == "genuine" else Verdict.COUNTERFEIT
        sure = {one.label for one in seen if one.sure}
        shown = [box.label for box in photo.boxes[1:] if box.label != FAKE_LOGO]
        return Judged(
            value=float(getattr(quality, name)),
            product=found is not None and found.label == truth.label,
            marks=tuple(label in sure for label in shown),
            verdict=ruling.verdict is wanted,
        )

    def _look(self, picture: Picture) -> list[Seen]:
        pixels, fit = letterbox(picture.pixels, self._description.image_size)
        [found] = self._detector.detect(pixels[None])
        boxes = fit.to_picture(found.boxes)
        seen = []
        for place in find_unrivalled(found.boxes, found.confidences):
            label = self._description.labels[int(found.labels[place])]
            left, top, right, bottom = (float(value) for value in boxes[place])
            confidence = float(found.confidences[place])
            seen.append(Seen(label.name, label.role, confidence, label.threshold, (left, top, right, bottom)))
        return seen

    @staticmethod
    def _true_place(photo: Photo, pixels: Pixels) -> tuple[float, float, float, float]:
        """The product's box in the degraded picture, which may have other pixels, about the same middle."""
        box = photo.boxes[0]
        height, width = photo.pixels.shape[:2]
        return (
            box.left * pixels.shape[1] / width,
            box.top * pixels.shape[0] / height,
            (box.left + box.width) * pixels.shape[1] / width,
            (box.top + box.height) * pixels.shape[0] / height,
        )


def main() -> int:
    """Measures and prints the curves and limits; 0."""
    one = prepare(FIRST_SEED, MODELS / str(FIRST_SEED))
    runtime = OpenVinoRuntime("f32", torch.get_num_threads())
    judge = Judge(runtime.load(one.weights, one.description), one.description)
    brand = make_brand(FIRST_SEED)
    photos = [
        render_photo(brand, 7_000_000 + place, kind=SEEN_KINDS[place % len(SEEN_KINDS)])
        for place in range(PHOTOS)
    ]
    print(
        f"{PHOTOS} held-out pictures, half of them genuine; detector at {one.description.image_size} pixels"
    )
    print("\n| worse in | step | measure | median | products found | marks found | verdicts right |")
    print("|---|---|---|---|---|---|---|")
    limits = []
    for title, way in WAYS.items():
        rows = [_judge_step(judge, photos, way, step) for step in way.steps]
        for step, (value, products, found, right) in zip(way.steps, rows, strict=True):
            shares = f"{products:.0%} | {found:.0%} | {right:.0%}"
            print(f"| {title} | {abs(step):g} | {way.measure} | {value:.4g} | {shares} |", flush=True)
        found_by = find_limit([(row[0], (row[1] + MARKS * row[2]) / (1 + MARKS)) for row in rows])
        limits.append((title, way.measure, found_by, find_limit([(row[0], row[3]) for row in rows])))
    print(
        f"\n| worse in | measure | {LOST:.0%} found less | {LOST:.0%} of verdicts less |\n|---|---|---|---|"
    )
    for title, name, *both in limits:
        told = ["not reached" if limit is None else f"{limit:.4g}" for limit in both]
        print(f"| {title} | {name} | {' | '.join(told)} |")
    return 0


def _judge_step(
    judge: Judge, photos: list[Photo], way: Way, step: float
) -> tuple[float, float, float, float]:
    """Median measure; shares of products and marks found and of verdicts right."""
    judged = []
    for place, photo in enumerate(photos):
        box = photo.boxes[0]
        rng = np.random.default_rng([place, 5])
        worse = way.degrade(photo.pixels, step, (box.left, box.top, box.width, box.height), rng)
        one = judge.judge(photo, worse, "fill" if way.measure == DETECTOR_PIXELS else way.measure)
        if way.measure == DETECTOR_PIXELS:
            share = max(box.width, box.height) / max(photo.pixels.shape[:2])
            one = replace(one, value=min(share, step) * judge.image_size)
        judged.append(one)
    found = [mark for one in judged for mark in one.marks]
    return (
        float(np.median([one.value for one in judged])),
        float(np.mean([one.product for one in judged])),
        float(np.mean(found)),
        float(np.mean([one.verdict for one in judged])),
    )


def find_limit(curve: list[tuple[float, float]]) -> float | None:
    """The measure at which a share has fallen by LOST from the first step: `curve` are (measure, share) from
    best to worst. A later rise shows that an earlier fall was chance: the best of what follows counts.
    None when it never falls so far."""
    shares = np.maximum.accumulate([share for _, share in curve][::-1])[::-1]
    floor = shares[0] - LOST
    values = pairwise([value for value, _ in curve])
    for (before, after), (high, low) in zip(values, pairwise(shares), strict=True):
        if low < floor:
            part = (high - floor) / (high - low)
            return before + float(part) * (after - before)
    return None


if __name__ == "__main__":
    sys.exit(main())
