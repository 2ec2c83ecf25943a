"""How well the print tells genuine from fake: `python -m bench.accuracy PHOTOS RESULTS [BRAND ...]`.

PHOTOS is what `python -m bench.brands` wrote. For each brand the appearance is fitted to its training photos
(TRAIN of them), and judges genuine photos, six kinds of fakes never trained on, and other products. Products
are cut out by their annotated boxes moved about as a detector's are (JITTER); the detector itself is not
part of this bench yet. The peer is the nearest neighbour among the training photos of a whole-crop
embedding: the COCO backbone of the base weights, pooled.

Results are kept a brand in RESULTS/{brand}.json and not made again; brands of the tuning families are listed
apart. Two minutes a brand on two cores.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from assay_shared.appearance.files import pack_appearance, unpack_appearance
from assay_shared.appearance.fitting import fit_appearance
from assay_shared.appearance.model import LEAST_COVERED, AppearanceModel
from assay_shared.appearance.patches import Patch, cut_patch
from assay_shared.detector.architecture import build_trainable
from assay_shared.intervals import wilson_interval
from assay_shared.reduction import find_reduction
from assay_trainer.base_weights import find_bundled, load_base_weights
from bench.brands.catalog import TUNING

KINDS = ("hue-shift", "low-resolution", "proportions", "missing-element", "altered-text", "moved-logo")
TRAIN = int(os.environ.get("BENCH_TRAIN", "62"))
JITTER = 0.04
"""Standard deviation of a moved edge, in shares of the box: boxes then overlap the true ones by some .85."""
DOUBTED = 0.02
CROP = 320

Row = dict[str, Any]
Doubles = npt.NDArray[np.float64]


def main() -> None:
    """Judges every brand that was not judged before, and prints the tables."""
    photos, results = Path(sys.argv[1]), Path(sys.argv[2])
    results.mkdir(parents=True, exist_ok=True)
    names = sys.argv[3:] or sorted(path.parent.name for path in photos.glob("*/DONE"))
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    for name in names:
        path = results / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(judge_brand(photos / name)))
    brands = {name: json.loads((results / f"{name}.json").read_text()) for name in names}
    for title, tuned in (("Reported", False), ("Tuned on", True)):
        chosen = {name: brand for name, brand in brands.items() if (name in TUNING) is tuned}
        if chosen:
            print_table(title, chosen)


def judge_brand(folder: Path) -> Row:
    """Fits a brand and judges all its photos."""
    embed = _make_embedder()
    patches = [read_patch(path) for path in sorted((folder / "train").glob("*.jpg"))[:TRAIN]]
    started = time.perf_counter()
    fit = fit_appearance(patches)
    seconds = time.perf_counter() - started
    known = np.stack([embed(patch) for patch in patches])
    packed = pack_appearance(fit.model) if fit.model else b""
    model = unpack_appearance(packed) if packed else None
    rows = []
    for kind in ("genuine", *KINDS, "distractors"):
        for path in sorted((folder / kind).glob("*.jpg")):
            patch = read_patch(path)
            nearest = float((known @ embed(patch)).max())
            rows.append({"kind": kind, "file": path.name, "likeness": nearest, **_judge(model, patch)})
    return {
        "seconds": seconds,
        "reason": fit.reason,
        "aligned": fit.aligned,
        "bytes": len(packed),
        "rows": rows,
    }


def read_patch(path: Path) -> Patch:
    """The product of a photo, cut out nearly as annotated; of another product's photo, all of it."""
    annotation = json.loads(path.with_suffix(".json").read_text())
    with Image.open(path) as picture:
        reduction = find_reduction(*picture.size)
        picture.draft("RGB", (picture.width // reduction, picture.height // reduction))
        pixels = np.asarray(picture.convert("RGB"))
    scale = pixels.shape[1] / annotation["image_size"][0]["width"]
    names = {one["class_id"]: one["name"] for one in annotation["categories"]}
    boxes = [one for one in annotation["annotations"] if names[one["class_id"]] == "product"]
    if not boxes:
        return cut_patch(pixels, (0, 0, pixels.shape[1], pixels.shape[0]))
    left, top, width, height = (boxes[0][key] * scale for key in ("left", "top", "width", "height"))
    moved = np.random.default_rng(int(path.stem)).normal(0, JITTER, 4) * [width, height, width, height]
    x0, y0, x1, y1 = (float(v) for v in np.array([left, top, left + width, top + height]) + moved)
    return cut_patch(pixels, (x0, y0, x1, y1))


def _judge(model: AppearanceModel | None, patch: Patch) -> Row:
    """What serving would say of the print: p, and whether it can be compared (checks/appearance.py)."""
    if model is None:
        return {"p": None, "clear": False, "ms": 0.0}
    started = time.perf_counter()
    found = model.judge(patch)
    ms = 1000 * (time.perf_counter() - started)
    if found.p is None or found.measures is None:
        return {"p": None, "clear": False, "ms": ms}
    clear = (
        found.measures.covered >= LEAST_COVERED
        and found.measures.density >= model.limits.density
        and not found.measures.softness[0] > model.limits.softness
    )
    return {"p": found.p, "clear": bool(clear), "ms": ms, "causes": dict(found.causes or {})}


def print_table(title: str, brands: dict[str, Row]) -> None:
    """A row a brand: AUROC by kind of fake on what could be compared, then the shares."""
    heads = [
        *KINDS,
        "all",
        "embedding",
        "genuine doubted",
        "genuine unclear",
        "others refused",
        "fit s",
        "ms",
        "kB",
    ]
    print(f"\n### {title}\n\n| brand | {' | '.join(heads)} |\n|{'---|' * (len(heads) + 1)}")
    for name, brand in [*brands.items(), ("all", _join(list(brands.values())))]:
        print(f"| {name} | {' | '.join(_describe(brand))} |")


def _join(brands: Sequence[Row]) -> Row:
    return {
        "rows": [row for brand in brands for row in brand["rows"]],
        "seconds": float(np.median([brand["seconds"] for brand in brands])),
        "bytes": float(np.median([brand["bytes"] for brand in brands])),
    }


def _describe(brand: Row) -> list[str]:
    rows = brand["rows"]
    clear = [row for row in rows if row["clear"]]
    genuine = [row for row in clear if row["kind"] == "genuine"]
    fakes = [row for row in clear if row["kind"] in KINDS]
    cells = [
        _auroc([row["p"] for row in genuine], [row["p"] for row in fakes if row["kind"] == kind])
        for kind in KINDS
    ]
    cells.append(_auroc([row["p"] for row in genuine], [row["p"] for row in fakes]))
    like = [
        [row["likeness"] for row in rows if (row["kind"] in KINDS) is fake and row["kind"] != "distractors"]
        for fake in (False, True)
    ]
    cells.append(_auroc(*like))
    whole = [row for row in rows if row["kind"] == "genuine"]
    others = [row for row in rows if row["kind"] == "distractors"]
    cells.append(_share([row["p"] < DOUBTED for row in genuine]))
    cells.append(_share([not row["clear"] for row in whole]))
    cells.append(_share([not row["clear"] or row["p"] < DOUBTED for row in others]))
    ms = float(np.median([row["ms"] for row in rows]))
    return [*cells, f"{brand['seconds']:.0f}", f"{ms:.0f}", f"{brand['bytes'] / 1000:.0f}"]


def _auroc(genuine: Sequence[float], fake: Sequence[float]) -> str:
    """The chance of a genuine photo to score above a fake one (Mann and Whitney)."""
    if not genuine or not fake:
        return "-"
    a, b = np.array(genuine)[:, None], np.array(fake)[None]
    return f"{float((a > b).mean() + 0.5 * (a == b).mean()):.2f}"


def _share(flags: Sequence[bool]) -> str:
    if not flags:
        return "-"
    low, high = wilson_interval(sum(flags), len(flags))
    return f"{sum(flags)}/{len(flags)} ({low:.2f}-{high:.2f})"


def _make_embedder() -> Any:
    model = build_trainable("yolov5nu", 1)
    load_base_weights(model, find_bundled("yolov5nu"))
    backbone = model.eval().model[:10]

    def embed(patch: Patch) -> Doubles:
        """A unit vector (d,) of a patch."""
        square = cv2.resize(patch.pixels, (CROP, CROP), interpolation=cv2.INTER_AREA)
        with torch.inference_mode():
            found = torch.from_numpy(square).permute(2, 0, 1)[None].float() / 255
            for layer in backbone:
                found = layer(found)
        vector = found.mean((2, 3))[0].numpy().astype(np.float64)
        return np.asarray(vector / np.linalg.norm(vector))

    return embed


if __name__ == "__main__":
    main()
