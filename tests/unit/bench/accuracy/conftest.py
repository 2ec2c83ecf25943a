"""A small collection of photos as `python -m bench.brands` lays it out, with what was measured in it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assay_inference.appearance_workers import Appearance
from assay_inference.checks.evidence import Seen
from assay_inference.quality import Quality
from assay_shared.wire import LabelRole
from bench.accuracy.judging import Measured, Results
from bench.accuracy.photos import TESTED, TRAIN, list_photos

WIDTH, HEIGHT = 96, 72
BOX = (20.0, 10.0, 80.0, 60.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photos of every set; others have no annotation."""
    entries = []
    for kind in (TRAIN, *TESTED):
        for place in range(2):
            file = tmp_path / "photos" / "jar-1" / kind / f"{place:03d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            few = np.random.default_rng([place, len(kind)]).integers(0, 255, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(few).resize((WIDTH, HEIGHT)).save(file)
            boxes = [
                {"class_id": 1, "left": 30, "top": 20, "width": 8, "height": 8},
                {"class_id": 0, "left": 20, "top": 10, "width": 60, "height": 50},
            ]
            document = {
                "image_size": [{"width": WIDTH, "height": HEIGHT, "depth": 3}],
                "annotations": [] if kind == "distractors" else boxes,
                "categories": [{"class_id": 0, "name": "product"}, {"class_id": 1, "name": "logo"}],
            }
            file.with_suffix(".json").write_text(json.dumps(document))
            entry: dict[str, object] = {"file": f"jar-1/{kind}/{file.name}", "product_long_side": 60}
            if kind == "altered-text":
                entry["altered"] = {"polygon": [[10, 10], [40, 40], [26, 54], [-4, 24]]}
            entries.append(entry)
    labels = {"product": "product", "logo": "mark"}
    manifest = {"brands": {"jar-1": {"labels": labels}}, "photos": entries}
    (tmp_path / "photos" / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path / "photos" / "jar-1"


@pytest.fixture
def results(folder: Path) -> Results:
    """All genuine photos fit, of each kind of fake the second does not; other products have no print; the
    first hue-shifted fake lacks its logo."""
    good = Quality(600, 500, 0.6, 0.1, 120, 50, 0.0, 0.0)
    measured = {}
    for photo in list_photos(folder, TESTED):
        departs = photo.kind != "genuine" and photo.path.stem == "001"
        p = 0.001 if departs else 0.5
        known = {"causes": {"ink": p}, "covered": 1.0, "density": 1.0, "softness": float("nan")}
        print_ = Appearance() if photo.kind == "distractors" else Appearance(p=p, **known)  # type: ignore[arg-type]
        seen = [Seen("product", LabelRole.PRODUCT, 0.9, 0.4, (200.0, 100.0, 800.0, 600.0))]
        if photo.name != "hue-shift/000.jpg":
            seen.append(Seen("logo", LabelRole.MARK, 0.8, 0.4, (300.0, 200.0, 380.0, 280.0)))
        measured[photo.name] = Measured(
            width=1000,
            height=800,
            seen=seen,
            quality=good,
            appearance=print_,
            likeness=0.7,
            milliseconds=100,
        )
    return Results(
        seconds=50,
        reason="",
        photos=62,
        aligned=62,
        bytes=1_000_000,
        image_size=640,
        by_detector=True,
        required_marks={"product": ["logo"]},
        measured=measured,
    )
