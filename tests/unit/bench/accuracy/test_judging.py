"""Measuring a brand, but for the fit, which fifteen photos and more are needed for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assay_shared.wire import TrainingOptions
from bench.accuracy.cutting import cut_learnt, cut_tested
from bench.accuracy.detectors import Detections, Seen
from bench.accuracy.judging import find_results, measure_once
from bench.accuracy.photos import GENUINE, TESTED, TRAIN, list_photos, read_roles


@pytest.fixture
def detections(folder: Path) -> Detections:
    """The product a little to the right of where it is annotated; not sure of it in the second genuine
    photo; far off in the second training photo."""
    found = {}
    for photo in list_photos(folder, (TRAIN, *TESTED)):
        sure = 0.2 if photo.name == "genuine/001.jpg" else 0.9
        left = 90.0 if photo.name == "train/001.jpg" else 22.0
        found[photo.name] = [
            Seen(label="product", confidence=sure, box=(left, 10, left + 60, 60)),
            Seen(label="logo", confidence=0.7, box=(30, 20, 38, 28)),
        ]
    return Detections(
        thresholds={"product": 0.4, "logo": 0.3},
        required_marks={"product": ["logo"]},
        map50=0.9,
        seconds=60,
        options=TrainingOptions(),
        found=found,
    )


def test_a_brand_is_measured_once_and_shrunk_by_the_same_fit(folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    assert find_results(folder, kept, 62, None) is None
    measure_once(folder, kept, 62, None, [0.5])
    whole, half = (find_results(folder, kept, 62, None, share) for share in (1.0, 0.5))
    assert whole is not None
    assert half is not None
    assert whole.reason == half.reason == "2 genuine photos; at least 15 are needed"
    assert not whole.by_detector
    one, small = (results.measured["genuine/000.jpg"] for results in (whole, half))
    assert (one.width, one.height, small.width, small.height) == (96, 72, 48, 36)
    assert small.quality.long_side == pytest.approx(one.quality.long_side / 2)
    assert small.quality.fill == pytest.approx(one.quality.fill)
    assert one.appearance is None
    assert -1 <= one.likeness <= 1
    [path] = [path for path in kept.rglob("*.json") if "shrunk" not in path.name]
    before = path.stat().st_mtime_ns
    measure_once(folder, kept, 62, None, [])
    assert path.stat().st_mtime_ns == before
    assert find_results(folder, kept, 30, None) is None


def test_products_are_cut_out_by_the_detectors_boxes(folder: Path, detections: Detections) -> None:
    roles = read_roles(folder)
    [near, far] = list_photos(folder, (TRAIN,))
    margin = 0.08 * 60
    assert cut_learnt(near, detections).left == int(22 - margin)
    # Where the detector is far off, the annotation counts, as in the trainer.
    assert cut_learnt(far, detections).left == int(20 - margin)
    [sure, unsure] = [cut_tested(photo, detections, roles, 1.0) for photo in list_photos(folder, (GENUINE,))]
    assert sure.patch is not None
    assert sure.patch.left == int(22 - margin)
    assert [(one.label, one.threshold) for one in sure.seen] == [("product", 0.4), ("logo", 0.3)]
    assert unsure.patch is None
    half = cut_tested(next(list_photos(folder, (GENUINE,))), detections, roles, 0.5)
    assert half.patch is not None
    assert half.seen[0].box == (11, 5, 41, 30)
    assert np.abs(np.array(half.patch.pixels.shape[:2]) * 2 - sure.patch.pixels.shape[:2]).max() <= 2


def test_other_boxes_are_other_results(folder: Path, detections: Detections, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    measure_once(folder, kept, 62, detections, [])
    assert find_results(folder, kept, 62, None) is None
    results = find_results(folder, kept, 62, detections)
    assert results is not None
    assert results.by_detector
    assert results.required_marks == {"product": ["logo"]}
    # No product was sure enough: nothing is cut out, and the whole picture's quality is measured.
    unsure = results.measured["genuine/001.jpg"]
    assert np.isnan(unsure.likeness)
    assert unsure.quality.fill == 1
    moved = detections.model_copy(update={"map50": 0.8})
    assert find_results(folder, kept, 62, moved) is None
