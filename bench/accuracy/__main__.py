"""How well Assay judges: `python -m bench.accuracy PHOTOS RESULTS [BRAND ...]`.

PHOTOS is what `python -m bench.brands` wrote. For each brand the appearance is fitted to its training photos
and asked, by the code that serves, about genuine photos, six kinds of fakes never trained on and other
products; then all checks and the verdict rule on each photo. Products are cut out by the boxes of a detector
trained on the same photos where RESULTS has one (`--detector` trains those that it lacks: on a GPU by the
trainer's own options, on two cores smaller ones, minutes each); else by their annotated boxes moved about as
a detector's are, and the verdict then rests on the print alone.

Peers in the same run: the original's way (every required mark found at 0.5), the detector's confidence as a
score, and the nearest neighbour among the training photos of a whole-crop embedding.

What was measured is kept in RESULTS and not measured again until the code or the boxes change: two minutes a
brand on two cores. Brands of the tuning families are listed apart. With `--train 30` fewer photos are learnt
from, and the table says how much that costs where RESULTS has both. `--shrink 0.5` judges each photo of half
the pixels each way as well, for the curve by size.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Sequence
from pathlib import Path

from assay_shared.wire import DOUBTED_SHARE
from bench.accuracy import curves, tables
from bench.accuracy.cases import Case, rule_on_brand
from bench.accuracy.detectors import Detections, find_detections, train_once
from bench.accuracy.judging import find_results, measure_once
from bench.accuracy.summary import print_summary
from bench.accuracy.tables import Brand
from bench.brands.catalog import REPORTING, TUNING
from bench.brands.collection import Counts

TRAIN = Counts.train
GROUPS = {"all": (*REPORTING, *TUNING), "reporting": REPORTING, "tuning": TUNING}


def main() -> None:
    """Measures what was not measured before, and prints the tables."""
    asked = _parse()
    groups = [GROUPS.get(name, (name,)) for name in asked.brands or ["all"]]
    names = [name for group in groups for name in group if (asked.photos / name / "DONE").exists()]
    if asked.detector:
        for name in names:
            train_once(asked.photos / name, asked.results, asked.train)
    tasks = [
        (
            asked.photos / name,
            asked.results,
            asked.train,
            _find_boxes(asked, name, asked.train),
            asked.shrink,
        )
        for name in names
    ]
    if asked.jobs > 1:
        with multiprocessing.get_context("spawn").Pool(asked.jobs, maxtasksperchild=1) as pool:
            pool.starmap(measure_once, tasks, chunksize=1)
    else:
        for task in tasks:
            measure_once(*task)
    for title, chosen in (("Reported", REPORTING), ("Tuned on", TUNING)):
        own = [name for name in names if (name in TUNING) is (chosen is TUNING)]
        if own:
            print_all(title, _read(asked, own, asked.train), _read(asked, own, TRAIN), asked.train)


def print_all(title: str, brands: Sequence[Brand], more: Sequence[Brand], train: int) -> None:
    """All tables of some brands; `more` of the same that were learnt from TRAIN photos."""
    print(f"\n## {title}: {len(brands)} brands, {train} photos to learn from")
    both = {brand.name for brand in brands} & {brand.name for brand in more}
    fewer = [brand for brand in brands if brand.name in both] if train < TRAIN else []
    print_summary(brands, fewer, [brand for brand in more if brand.name in both], train)
    tables.print_areas(brands)
    tables.print_verdicts(brands)
    tables.print_causes(brands)
    curves.print_shares(brands)
    curves.print_undecided(brands)
    curves.print_sizes(brands)
    curves.print_heights(brands)
    curves.print_costs(brands)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy", description=__doc__)
    parser.add_argument("photos", type=Path, help="folder that `python -m bench.brands` wrote")
    parser.add_argument("results", type=Path, help="keeps what was measured")
    parser.add_argument("brands", nargs="*", help="names, or all, reporting, tuning")
    parser.add_argument("--train", type=int, default=TRAIN, help="photos of a brand to learn from")
    parser.add_argument("--detector", action="store_true", help="train the detectors that are missing")
    parser.add_argument("--annotated", action="store_true", help="use no detector's boxes")
    parser.add_argument("--share", type=float, default=DOUBTED_SHARE, help="of genuine products to doubt")
    parser.add_argument(
        "--shrink", type=float, nargs="*", default=[], help="judge photos of this share of pixels too"
    )
    parser.add_argument("--jobs", type=int, default=1, help="brands at a time, a process each")
    return parser.parse_args()


def _find_boxes(asked: argparse.Namespace, name: str, train: int) -> Detections | None:
    """The detector's of so many photos, else that of TRAIN."""
    if asked.annotated:
        return None
    found = [find_detections(asked.photos / name, asked.results, count) for count in (train, TRAIN)]
    return next((one for one in found if one is not None), None)


def _read(asked: argparse.Namespace, names: Sequence[str], train: int) -> list[Brand]:
    """Those of the brands that were measured with so many photos."""
    found = []
    for name in names:
        folder = asked.photos / name
        results = find_results(folder, asked.results, train, _find_boxes(asked, name, train))
        if results is not None:
            cases = rule_on_brand(folder, results, asked.share)
            found.append(Brand(name, results, cases, _read_shrunk(asked, folder, train)))
    return found


def _read_shrunk(asked: argparse.Namespace, folder: Path, train: int) -> list[Case]:
    cases: list[Case] = []
    for shrunk in asked.shrink:
        boxes = _find_boxes(asked, folder.name, train)
        results = find_results(folder, asked.results, train, boxes, shrunk)
        if results is not None:
            cases += rule_on_brand(folder, results, asked.share, shrunk)
    return cases


if __name__ == "__main__":
    main()
