"""`python -m bench.brands OUT [--brands medicine-1,can-2|all|tuning|reporting]`: writes the photos.

OUT/{brand}/{set}/NNN.jpg with its annotation NNN.json beside it, the set being `train`, `genuine`, a kind of
fake or `distractors`; OUT/{brand}/DONE when a brand is complete; OUT/manifest.json with one entry a photo.
Photos that exist are not made again.
"""

import argparse
import json
import multiprocessing
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from bench.brands.catalog import REPORTING, TUNING
from bench.brands.collection import Counts, describe_brand, list_tasks, make_photo

_GROUPS = {"all": (*REPORTING, *TUNING), "reporting": REPORTING, "tuning": TUNING}


def main() -> None:
    """Write the collection that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.brands", description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument(
        "--brands", default="all", help="names with commas between, or all, tuning, reporting"
    )
    parser.add_argument("--train", type=int, default=Counts.train)
    parser.add_argument("--genuine", type=int, default=Counts.genuine)
    parser.add_argument("--fakes", type=int, default=Counts.fakes, help="of each kind")
    parser.add_argument("--distractors", type=int, default=Counts.distractors)
    parser.add_argument("--long-side", type=int, default=2400, help="of a photo, in pixels")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    counts = Counts(asked.train, asked.genuine, asked.fakes, asked.distractors)
    brands = _GROUPS.get(asked.brands) or tuple(asked.brands.split(","))
    for brand in brands:
        write_brand(asked.out, brand, counts, asked.long_side, asked.jobs)
        print(f"{brand}: done", flush=True)


def write_brand(out: Path, brand: str, counts: Counts, long_side: int, jobs: int = 1) -> None:
    """Write what is missing of a brand's photos, then its entries of the manifest, then DONE.

    Raises ValueError when there is no such brand.
    """
    about = describe_brand(brand)
    known = {entry["file"]: entry for entry in _read_manifest(out)["photos"]}
    tasks = list(list_tasks(brand, counts, long_side))
    missing = [task for task in tasks if task.file not in known or not (out / task.file).exists()]
    make = partial(make_photo, out)
    if jobs == 1:
        made = [make(task) for task in missing]
    else:
        with multiprocessing.get_context("spawn").Pool(jobs, cv2.setNumThreads, (1,)) as pool:
            made = pool.map(make, missing, chunksize=4)
    # Read again: another process may have written other brands meanwhile.
    manifest = _read_manifest(out)
    photos = {entry["file"]: entry for entry in (*manifest["photos"], *made)}
    manifest["brands"][brand] = about
    manifest["photos"] = [photos[file] for file in sorted(photos)]
    fresh = out / "manifest.json.new"
    rows = ",\n".join(json.dumps(entry) for entry in manifest["photos"])
    fresh.write_text(f'{{"brands": {json.dumps(manifest["brands"])},\n"photos": [\n{rows}\n]}}\n')
    fresh.replace(out / "manifest.json")
    (out / brand / "DONE").touch()


def _read_manifest(out: Path) -> dict[str, Any]:
    file = out / "manifest.json"
    empty: dict[str, Any] = {"brands": {}, "photos": []}
    return json.loads(file.read_text()) if file.exists() else empty


if __name__ == "__main__":
    main()
