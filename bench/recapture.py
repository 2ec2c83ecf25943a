"""How often a photo of a screen or of a printout is noticed: `python -m bench.recapture`, about 8 minutes.

Generated photos (bench/recaptures.py) of screens and of printouts by the pitch of their grid, in pixels of
the camera, as the picture comes and at half its size, as a 12 megapixel picture is judged. What must not be
noticed: the demo's photos, the same scenes through the recaptures' camera, products on cloth of every
fineness, and products that are printed in dots themselves. BENCH_PHOTOS sets how many photos of each kind.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from assay_inference.checks.image_quality import MOST_GRID
from assay_inference.pictures import Picture
from assay_inference.recapture import measure_grid
from assay_shared.intervals import wilson_interval
from bench.recaptures import (
    ENLARGED,
    Scene,
    lay_on_cloth,
    lay_scene,
    photograph,
    print_in_dots,
    show_on_screen,
)
from deploy.local.photos.catalog import make_brand
from deploy.local.photos.render import Photo, render_photo

Pixels = npt.NDArray[np.uint8]
Place = tuple[float, float, float, float]

PHOTOS = int(os.environ.get("BENCH_PHOTOS", "8"))
SIZE = (2016, 1512)
FIRST_SEED = 8_200_000
"""The limit was chosen on other seeds."""
PITCHES = (0.8, 1.0, 1.3, 1.6, 2.0, 2.5, 3.2, 4.0, 6.0)
DOTS = (2.0, 3.0, 4.0, 6.0, 9.0)
THREADS = (1.2, 1.7, 2.3, 3.1, 4.5, 7.0)
GENUINE = 10
"""Times PHOTOS of the demo's photos: false alarms are what may not be."""


def take(seed: int) -> tuple[Photo, Place]:
    """A photo of the demo, and the product's place in it."""
    photo = render_photo(make_brand(20 + seed % 11), seed, width=SIZE[0], height=SIZE[1])
    box = photo.boxes[0]
    return photo, (float(box.left), float(box.top), float(box.left + box.width), float(box.top + box.height))


def enlarge(place: Place) -> Place:
    """Where the product lies once its photo is shown larger."""
    middle = np.array([*SIZE, *SIZE]) / 2
    moved = np.clip((np.array(place) - middle) * ENLARGED + middle, 0, (*SIZE, *SIZE))
    left, top, right, bottom = (float(value) for value in moved)
    return left, top, right, bottom


def measure(pixels: Pixels, place: Place) -> tuple[float, float, float]:
    """The grid at full and at half size, and the milliseconds of the first."""
    started = time.perf_counter()
    whole = measure_grid(Picture(pixels, pixels.shape[1], pixels.shape[0], b""), place)
    spent = (time.perf_counter() - started) * 1000
    small = np.asarray(cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    left, top, right, bottom = (value / 2 for value in place)
    picture = Picture(small, small.shape[1], small.shape[0], b"")
    return whole, measure_grid(picture, (left, top, right, bottom)), spent


def recapture(seed: int, make: str, pitch: float) -> tuple[float, float, float]:
    """Measures one scene through the camera; `make` says what stands before it."""
    photo, place = take(seed)
    scenes: dict[str, Scene] = {
        "screen": show_on_screen(photo.pixels, pitch),
        "printout": print_in_dots(photo.pixels, pitch),
        "printed product": print_in_dots(photo.pixels, pitch, within=place),
        "cloth": lay_on_cloth(photo.pixels, place, pitch),
        "the same camera": lay_scene(photo.pixels),
    }
    return measure(photograph(scenes[make], np.random.default_rng([seed, 3]), SIZE), enlarge(place))


def rows() -> Iterator[tuple[str, float, bool, list[tuple[float, float, float]]]]:
    """Kind, pitch, whether it ought to be noticed, measures."""
    yield (
        "demo's photos",
        0.0,
        False,
        [
            measure(photo.pixels, place)
            for photo, place in map(take, range(FIRST_SEED, FIRST_SEED + GENUINE * PHOTOS))
        ],
    )
    for make, pitches, wanted in (
        ("the same camera", (0.0,), False),
        ("cloth", THREADS, False),
        ("printed product", DOTS, False),
        ("screen", PITCHES, True),
        ("printout", DOTS, True),
    ):
        for pitch in pitches:
            seeds = range(FIRST_SEED + 10_000, FIRST_SEED + 10_000 + PHOTOS)
            yield make, pitch, wanted, [recapture(seed, make, pitch or 1.0) for seed in seeds]


def main() -> int:
    """Measures and prints; 0 when nothing genuine is taken for a recapture."""
    print("| before the camera | pitch, camera pixels | photos | noticed | at half size | strongest | ms |")
    print("|---|---|---|---|---|---|---|")
    alarms = trials = 0
    for make, pitch, wanted, measured in rows():
        whole, half, spent = (np.array(column) for column in zip(*measured, strict=True))
        if not wanted:
            alarms += int((whole > MOST_GRID).sum() + (half > MOST_GRID).sum())
            trials += 2 * len(measured)
        noticed = f"{(whole > MOST_GRID).mean():.0%} | {(half > MOST_GRID).mean():.0%}"
        numbers = f"{max(whole.max(), half.max()):.1f} | {statistics.median(spent):.0f}"
        print(f"| {make} | {pitch or ''} | {len(measured)} | {noticed} | {numbers} |", flush=True)
    low, high = wilson_interval(alarms, trials)
    print(
        f"\nfalse alarms: {alarms} of {trials} (95 % interval {low:.2%} to {high:.2%}); limit {MOST_GRID:g}"
    )
    return 0 if alarms == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
