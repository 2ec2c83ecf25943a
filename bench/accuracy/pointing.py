"""Whether explanations point at what a fake has altered: `python -m bench.accuracy.pointing PHOTOS RESULTS
[BRAND ...]`.

Asks the appearances that `python -m bench.accuracy` has fitted about the fakes that they caught. The manifest
says where these are altered; that is compared with what the explanation outlines. Of kinds that are altered
everywhere (hue, fineness, proportions) it counts how often anything is outlined.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from assay_inference.appearance_workers import judge_patch
from assay_shared.appearance.files import unpack_any
from assay_shared.appearance.frames import Frame
from assay_shared.appearance.model import AppearanceModel
from assay_shared.appearance.patches import Doubles, Flags
from assay_shared.appearance.sketches import Sketch, unpack_sketch
from assay_shared.appearance.views import find_places
from assay_shared.wire import DOUBTED_SHARE
from bench.accuracy.cutting import cut_tested
from bench.accuracy.detectors import find_detections
from bench.accuracy.intervals import measure_share
from bench.accuracy.judging import find_fit, find_results
from bench.accuracy.photos import KINDS, Photo, list_photos, read_roles
from bench.accuracy.tables import describe, print_head, print_row
from bench.brands.catalog import REPORTING, TUNING
from bench.brands.collection import Counts

TRAIN = Counts.train
NEAR = 0.03
"""Share of the altered product's long side by which an outline may lie beside what is altered: outlines are
drawn 6 frame pixels (1 to 2 %) wider than what departs."""
ON_IT = 0.1
"""Share of the altered region that must lie in outlines to be pointed at: a region is a box around letters or
around a logo's old and new place, most of it unaltered."""


@dataclass(frozen=True)
class Pointed:
    """Of one caught fake: whether anything is outlined; the share of the altered region that is, nan where
    all is altered; the share of the outlined area that lies elsewhere, nan where nothing is outlined too."""

    brand: str
    kind: str
    outlined: bool
    covered: float
    elsewhere: float

    @property
    def right(self) -> bool:
        """Whether it points at what is altered."""
        return self.covered >= ON_IT


def main() -> None:
    """Prints a table of the brands tuned on and one of those reported, of those that were fitted."""
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy.pointing", description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("brands", nargs="*", default=[*REPORTING, *TUNING])
    asked = parser.parse_args()
    for title, group in (("Reported", REPORTING), ("Tuned on", TUNING)):
        found = [
            one
            for name in asked.brands
            if name in group
            for one in ask_brand(asked.photos / name, asked.results)
        ]
        if found:
            print(f"\n## {title}: {', '.join(dict.fromkeys(one.brand for one in found))}\n")
            print_pointing(found)


def ask_brand(folder: Path, results: Path) -> Iterator[Pointed]:
    """What is outlined on each caught fake of a brand; nothing where the brand was not fitted, or has no
    print that can be aligned."""
    detections = find_detections(folder, results, TRAIN)
    for boxes in (detections, None):
        kept, path = find_results(folder, results, TRAIN, boxes), find_fit(folder, results, TRAIN, boxes)
        if kept is None or not kept.bytes:
            continue
        model = unpack_any(path.read_bytes())
        if not isinstance(model, AppearanceModel):
            return
        roles = read_roles(folder)
        for photo in list_photos(folder, KINDS):
            before = kept.measured[photo.name].appearance
            if before is None or before.p is None or before.p >= DOUBTED_SHARE:
                continue
            patch = cut_tested(photo, boxes, roles, 1.0).patch
            if patch is not None:
                sketch = unpack_sketch(judge_patch(str(path), patch).sketch)
                yield compare(folder.name, photo, sketch, model.reference.frame)
        return


def compare(brand: str, photo: Photo, sketch: Sketch, frame: Frame) -> Pointed:
    """What a sketch outlines against what the manifest says is altered."""
    size = (sketch.patch.photo_width, sketch.patch.photo_height)
    outlined = draw_outlined(sketch, frame, size)
    altered = photo.facts.get("altered")
    if altered is None:
        return Pointed(brand, photo.kind, bool(outlined.any()), float("nan"), float("nan"))
    scale = size[0] / photo.facts["width"]
    region = fill([np.array(altered["polygon"], np.float64) * scale], size)
    reach = max(1, round(NEAR * scale * photo.facts["product_long_side"]))
    near = cv2.dilate(region.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    covered = float((region & outlined).sum() / max(1, region.sum()))
    elsewhere = float((outlined & ~near).sum() / outlined.sum()) if outlined.any() else float("nan")
    return Pointed(brand, photo.kind, bool(outlined.any()), covered, elsewhere)


def draw_outlined(sketch: Sketch, frame: Frame, size: tuple[int, int]) -> Flags:
    """Where the photo of a size (width, height) is outlined: (height, width)."""
    if sketch.pose is None:
        return np.zeros(size[::-1], bool)
    return fill([find_places(one, sketch.pose, sketch.bend, frame) for one in sketch.outlines], size)


def fill(outlines: Sequence[Doubles], size: tuple[int, int]) -> Flags:
    """What outlines (n, 2) in pixels enclose: (height, width)."""
    drawn = np.zeros(size[::-1], np.uint8)
    for one in outlines:
        cv2.fillPoly(drawn, [np.round(one).astype(np.int32)], 1)
    return drawn > 0


def print_pointing(found: Sequence[Pointed]) -> None:
    """A row a kind of fake."""
    print_head(("kind", "caught", "outlined", "of these on what is altered", "area elsewhere, median"))
    for kind in KINDS:
        own = [one for one in found if one.kind == kind]
        marked = [one for one in own if one.outlined]
        local = [one for one in marked if not np.isnan(one.covered)]
        elsewhere = f"{np.median([one.elsewhere for one in local]):.0%}" if local else "-"
        right = describe(measure_share(_by_brand(local)), as_share=True) if local else "-"
        print_row(kind, (str(len(own)), str(len(marked)), right, elsewhere))


def _by_brand(found: Sequence[Pointed]) -> list[list[bool]]:
    names = dict.fromkeys(one.brand for one in found)
    return [[one.right for one in found if one.brand == name] for name in names]


if __name__ == "__main__":
    main()
