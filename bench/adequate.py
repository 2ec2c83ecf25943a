"""How many good pictures `image_quality` turns away: `python -m bench.adequate PHOTOS [KIND]`.

PHOTOS is what `python -m bench.brands` wrote: genuine products as a careful person photographs them. Each is
measured where it is annotated, as the verify API reads it, and asked every limit: a limit ought to turn away
next to none. KIND is the folder of a brand's photos that is read, `genuine` or `train`; BENCH_PHOTOS says how
many of each brand. Two minutes for 544 photos on one core.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from assay_inference.checks import image_quality
from assay_inference.pictures import decode
from assay_inference.quality import Quality, measure
from assay_shared.intervals import wilson_interval
from assay_shared.wire import TrainingOptions

MAX_PIXELS = 100_000_000
PHOTOS = int(os.environ.get("BENCH_PHOTOS", "1000"))
IMAGE_SIZE = TrainingOptions().image_size
MEASURES = ("short_side", "fill", "sharpness", "brightness", "contrast", "glare", "grid")


def main() -> int:
    """Measures and prints; 0 when at most 1 picture in 50 is turned away."""
    cv2.setNumThreads(1)
    folder, kind = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "genuine"
    print("| brand | photos | turned away | why |\n|---|---|---|---|")
    everything: list[Quality] = []
    reasons: Counter[str] = Counter()
    away = 0
    for brand in sorted(path.parent.name for path in folder.glob("*/DONE")):
        qualities = [measure_photo(path) for path in sorted((folder / brand / kind).glob("*.jpg"))[:PHOTOS]]
        found = [image_quality.find_problems(one, IMAGE_SIZE) for one in qualities]
        why = Counter(hint for problems in found for _, hint in problems)
        turned = sum(map(bool, found))
        told = "; ".join(f"{hint} ({count})" for hint, count in why.items())
        print(f"| {brand} | {len(found)} | {turned} | {told} |", flush=True)
        everything += qualities
        reasons += why
        away += turned
    low, high = wilson_interval(away, len(everything))
    print(f"\nturned away: {away} of {len(everything)} (95 % interval {low:.2%} to {high:.2%})")
    for hint, count in reasons.most_common():
        low, high = wilson_interval(count, len(everything))
        print(f"  {hint}: {count} ({low:.2%} to {high:.2%})")
    print("\n| measure | least | 1 in 100 less | median | 1 in 100 more | most |\n|---|---|---|---|---|---|")
    for name in MEASURES:
        values = np.quantile([getattr(one, name) for one in everything], (0, 0.01, 0.5, 0.99, 1))
        print(f"| {name} | {' | '.join(f'{value:.4g}' for value in values)} |")
    return 0 if away <= 0.02 * len(everything) else 1


def measure_photo(path: Path) -> Quality:
    """The quality of the annotated product in a photo."""
    annotation = json.loads(path.with_suffix(".json").read_text())
    names = {one["class_id"]: one["name"] for one in annotation["categories"]}
    box = next(one for one in annotation["annotations"] if names[one["class_id"]] == "product")
    left, top = float(box["left"]), float(box["top"])
    return measure(
        decode(path.read_bytes(), MAX_PIXELS), (left, top, left + box["width"], top + box["height"])
    )


if __name__ == "__main__":
    sys.exit(main())
