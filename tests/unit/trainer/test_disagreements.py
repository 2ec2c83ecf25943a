"""Mistakes of annotations, with detections given by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assay_shared.model_description import Disagreement
from assay_shared.wire import Annotation
from assay_trainer.disagreement_pictures import ANNOTATED, FOUND, SIDE, draw_disagreements
from assay_trainer.disagreements import MOST, find_disagreements
from assay_trainer.matching import Found
from assay_trainer.reading import corners
from tests.unit.trainer.support import LABELS, box, item

NAMES = [label.name for label in LABELS]
THRESHOLDS = dict.fromkeys(NAMES, 0.5)
CARTON, LOGO, SEAL = box("carton", 4, 4, 60, 60), box("logo", 8, 8, 20, 20), box("seal", 38, 38, 20, 20)
RIGHT = [(CARTON, 0.95), (LOGO, 0.9), (SEAL, 0.9)]
Sightings = Sequence[tuple[Annotation, float]]


def disagree(*pictures: tuple[Sequence[Annotation], Sightings], right: int = 9) -> list[Disagreement]:
    """Those of `pictures` (annotated, seen) among others where all is right; images are numbered from 0."""
    every = [*pictures, *[([CARTON, LOGO, SEAL], RIGHT)] * right]
    items = [item(f"{number:064x}", "train", *annotated) for number, (annotated, _) in enumerate(every)]
    found = [
        Found(
            np.array([corners(one) for one, _ in seen], np.float32).reshape(-1, 4),
            np.array([confidence for _, confidence in seen], np.float32),
            np.array([NAMES.index(one.label) for one, _ in seen], np.int64),
            np.array([corners(one) for one in annotated], np.float32).reshape(-1, 4),
            np.array([NAMES.index(one.label) for one in annotated], np.int64),
        )
        for annotated, seen in every
    ]
    return find_disagreements(items, found, LABELS, THRESHOLDS)


def test_where_all_is_right_nothing_is_told() -> None:
    assert disagree() == []


def test_a_box_that_nobody_drew() -> None:
    (one,) = disagree(([CARTON, LOGO], RIGHT))
    assert (one.kind, one.label, one.found, one.image) == ("missing_box", None, "seal", "0" * 64)
    assert one.annotated_box is None
    assert one.found_box == SEAL
    # Nine of ten detected seals are annotated.
    assert one.rank == pytest.approx(0.9 * 0.9, abs=1e-3)


def test_a_wrong_label() -> None:
    wrong = box("seal", 8, 8, 20, 20)
    (one,) = disagree(([CARTON, wrong, SEAL], RIGHT))
    assert (one.kind, one.label, one.found) == ("wrong_label", "seal", "logo")
    assert (one.annotated_box, one.found_box) == (wrong, LOGO)
    unsure = [*RIGHT, (wrong, 0.8)]
    torn = disagree(([CARTON, wrong, SEAL], unsure))
    # That it half sees what is annotated tells less; below LEAST_RANK it is not listed.
    assert torn == []


def test_a_loose_box() -> None:
    loose = box("logo", 4, 4, 36, 30)
    (one,) = disagree(([CARTON, loose, SEAL], RIGHT))
    assert (one.kind, one.label, one.found) == ("loose_box", "logo", "logo")
    assert one.overlap == pytest.approx(400 / 1080, abs=1e-3)
    near = box("logo", 6, 6, 23, 23)
    assert disagree(([CARTON, near, SEAL], RIGHT)) == []


def test_a_box_around_nothing() -> None:
    nothing = box("logo", 70, 70, 20, 20)
    (one,) = disagree(([CARTON, LOGO, SEAL, nothing], RIGHT))
    assert (one.kind, one.label, one.confidence) == ("needless_box", "logo", 0)
    assert one.rank == pytest.approx(10 / 11, abs=1e-3)
    (hinted,) = disagree(([CARTON, LOGO, SEAL, nothing], [*RIGHT, (nothing, 0.3)]))
    assert hinted.rank == pytest.approx(0.4 * 10 / 11, abs=1e-3)


def test_what_a_label_that_is_seldom_found_lacks_tells_little() -> None:
    unseen = [([CARTON, LOGO, SEAL], RIGHT[:2])] * 9
    assert disagree(*unseen, right=1) == []
    (one,) = disagree(unseen[0], right=9)
    assert one.label == "seal"


def test_the_background_tells_less_than_the_product() -> None:
    behind, on_it = box("logo", 75, 75, 20, 20), box("seal", 30, 12, 20, 20)
    first, second = disagree(
        ([CARTON, LOGO, SEAL], [*RIGHT, (behind, 0.9)]), ([CARTON, LOGO, SEAL], [*RIGHT, (on_it, 0.9)])
    )
    assert (first.found_box, second.found_box) == (on_it, behind)
    assert second.rank == pytest.approx(first.rank / 2, abs=1e-3)


def test_a_thing_seen_twice_is_no_missing_box() -> None:
    part = box("logo", 8, 8, 20, 9)
    assert disagree(([CARTON, LOGO, SEAL], [*RIGHT, (part, 0.8)])) == []


def test_the_most_telling_come_first_and_no_more_than_a_person_looks_at() -> None:
    shy = [([CARTON, LOGO], [*RIGHT[:2], (SEAL, 0.5 + number / 100)]) for number in range(30)]
    told = disagree(*shy, right=60)
    assert len(told) == MOST
    assert [one.rank for one in told] == sorted((one.rank for one in told), reverse=True)
    assert told[0].confidence == pytest.approx(0.79)


def test_pictures_show_both_boxes(tmp_path: Path) -> None:
    told = disagree(([CARTON, box("logo", 4, 4, 36, 30), SEAL], RIGHT))
    images = tmp_path / "images"
    images.mkdir()
    picture = Image.fromarray(np.full((100, 100, 3), 128, np.uint8))
    picture.save(images / f"{0:064x}.jpg")
    (one,) = draw_disagreements(tmp_path, told, {"0" * 64: item("0" * 64, "train")}, images)
    assert one.picture == "disagreements/01.png"
    with Image.open(tmp_path / one.picture) as shown:
        assert max(shown.size) == SIDE
        colours = {colour for _, colour in shown.convert("RGB").getcolors(1 << 16) or []}
    assert {ANNOTATED, FOUND} <= colours
