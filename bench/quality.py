"""Where a picture is no longer good enough: `python -m bench.quality`, 10 minutes once there is a detector.

A detector trained on the demo's photos (bench/precision.py; ASSAY_BENCH_MODELS keeps it, 4 minutes the first
time) judges held-out pictures, genuine ones and fakes that it can tell, degraded step by step in one way at a
time: blur, pixels, size in the frame, light, contrast, glare. For each step: what `quality.measure` says
(median), products and marks found, verdicts right, without any limit on quality. The limit of a measure is
where the share found (products and marks alike) has fallen by LOST, between steps in straight lines, never
rising on the way down: verdicts turn over by chance near thresholds, what is found falls evenly.
`python -m bench.adequate` says how many good pictures each limit turns away.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from assay_engine.openvino_runtime import OpenVinoRuntime
from assay_engine.protocols import BrandDetector
from assay_inference.checks import counterfeit_marks, marks, product
from assay_inference.checks.evidence import Evidence, Seen, pick_product
from assay_inference.pictures import Picture
from assay_inference.quality import measure
from assay_inference.verdict import rule
from assay_shared.detector.preprocess import letterbox
from assay_shared.detector.rivals import find_unrivalled
from assay_shared.model_description import ModelDescription
from assay_shared.wire import Verdict
from bench.degradations import DETECTOR_PIXELS, WAYS, Way
from bench.precision import FIRST_SEED, prepare
from deploy.local.photos.catalog import FAKE_LOGO, make_brand
from deploy.local.photos.render import Photo, render_photo

Pixels = npt.NDArray[np.uint8]

PHOTOS = int(os.environ.get("BENCH_PHOTOS", "96"))
MODELS = Path(os.environ.get("ASSAY_BENCH_MODELS", ".assay/bench"))
SEEN_KINDS = ("genuine", "genuine", "missing-seal", "wrong-logo")
"""Kinds in turn: fakes that a detector alone can tell."""
LOST = 0.02
MARKS = 2
"""Marks to a product in these brands."""


@dataclass(frozen=True)
class Judged:
    """One picture at one step: what was measured on the true product, by name, and what was right."""

    values: dict[str, float]
    product: bool
    marks: tuple[bool, ...]
    verdict: bool


@dataclass(frozen=True)
class Shares:
    """Shares of products and marks found and of verdicts right, at one step."""

    products: float
    marks: float
    verdicts: float

    @property
    def found(self) -> float:
        """The share of products and marks alike."""
        return (self.products + MARKS * self.marks) / (1 + MARKS)


class Judge:
    """A trained detector and the checks that depend on it, without limits on quality."""

    def __init__(self, detector: BrandDetector, description: ModelDescription) -> None:
        self._detector = detector
        self._description = description
        self.image_size = description.image_size

    def judge(self, photo: Photo, pixels: Pixels) -> Judged:
        """What is found in a degraded `photo`."""
        picture = Picture(pixels, pixels.shape[1], pixels.shape[0], b"")
        seen = self._look(picture)
        found = pick_product(tuple(seen), None)
        truth = photo.boxes[0]
        quality = measure(picture, self._true_place(photo, pixels))
        evidence = Evidence(
            width=picture.width,
            height=picture.height,
            image_size=self.image_size,
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
            values=asdict(quality),
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
    curves: dict[tuple[str, str], list[tuple[float, Shares]]] = {}
    for title, way in WAYS.items():
        for step in way.steps:
            medians, shares = _judge_step(judge, photos, way, step)
            told = f"{', '.join(medians)} | {', '.join(f'{value:.4g}' for value in medians.values())}"
            numbers = f"{shares.products:.0%} | {shares.marks:.0%} | {shares.verdicts:.0%}"
            print(f"| {title} | {abs(step):g} | {told} | {numbers} |", flush=True)
            for name, value in medians.items():
                curves.setdefault((title, name), []).append((value, shares))
    print(f"\n{LOST:.0%} fewer:\n\n| worse in | measure | found | products | verdicts right |")
    print("|---|---|---|---|---|")
    for (title, name), curve in curves.items():
        columns = zip(*((shares.found, shares.products, shares.verdicts) for _, shares in curve), strict=True)
        values = [value for value, _ in curve]
        limits = [find_limit(list(zip(values, column, strict=True))) for column in columns]
        told = " | ".join("not reached" if limit is None else f"{limit:.4g}" for limit in limits)
        print(f"| {title} | {name} | {told} |")
    return 0


def _judge_step(judge: Judge, photos: list[Photo], way: Way, step: float) -> tuple[dict[str, float], Shares]:
    """Medians of the way's measures, and what was right."""
    judged = []
    for place, photo in enumerate(photos):
        box = photo.boxes[0]
        rng = np.random.default_rng([place, 5])
        worse = way.degrade(photo.pixels, step, (box.left, box.top, box.width, box.height), rng)
        one = judge.judge(photo, worse)
        if DETECTOR_PIXELS in way.measures:
            share = max(box.width, box.height) / max(photo.pixels.shape[:2])
            one.values[DETECTOR_PIXELS] = min(share, step) * judge.image_size
        judged.append(one)
    found = [mark for one in judged for mark in one.marks]
    shares = Shares(
        products=float(np.mean([one.product for one in judged])),
        marks=float(np.mean(found)),
        verdicts=float(np.mean([one.verdict for one in judged])),
    )
    return {name: float(np.median([one.values[name] for one in judged])) for name in way.measures}, shares


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
