"""What the verdict looks at in a picture, and which marks a product requires."""

from __future__ import annotations

import numpy as np
import pytest

from assay_shared.wire import Annotation
from assay_trainer.matching import Found
from assay_trainer.reading import corners, find_required_marks, is_read_right, keep_judged
from tests.unit.trainer.support import LABELS, box, item, make_manifest

NAMES = [label.name for label in LABELS]
ROLES = {label.name: label.role for label in LABELS}
THRESHOLDS = dict.fromkeys(NAMES, 0.5)
CARTON, LOGO, SEAL = box("carton", 4, 4, 40, 40), box("logo", 8, 8, 10, 10), box("seal", 28, 28, 10, 10)


def see(sightings: list[tuple[Annotation, float]], *annotated: Annotation) -> Found:
    return Found(
        np.array([corners(one) for one, _ in sightings], np.float32).reshape(-1, 4),
        np.array([confidence for _, confidence in sightings], np.float32),
        np.array([NAMES.index(one.label) for one, _ in sightings], np.int64),
        np.array([corners(one) for one in annotated], np.float32).reshape(-1, 4),
        np.array([NAMES.index(one.label) for one in annotated], np.int64),
    )


def reads_right(found: Found) -> bool:
    return is_read_right(found, NAMES, ROLES, THRESHOLDS)


def test_a_mark_at_the_edge_counts_as_serving_counts_it() -> None:
    # Its middle sticks out by 4 % of the product's width: on it, for serving allows 5.
    edge = box("logo", 44 + 1.6 - 5, 10, 10, 10)
    assert reads_right(see([(CARTON, 0.9), (edge, 0.9)], CARTON, LOGO))
    beside = box("logo", 44 + 2.4 - 5, 10, 10, 10)
    assert not reads_right(see([(CARTON, 0.9), (beside, 0.9)], CARTON, LOGO))
    assert reads_right(see([(CARTON, 0.9), (LOGO, 0.9)], CARTON, edge))
    # A tell-tale may stick out by 10 %.
    tag = box("fake-logo", 44 + 3.6 - 5, 10, 10, 10)
    assert reads_right(see([(CARTON, 0.9), (tag, 0.9)], CARTON, box("fake-logo", 8, 8, 10, 10)))


def test_the_product_that_is_judged_is_the_surest_above_its_threshold() -> None:
    other = box("carton", 50, 50, 40, 40)
    both = see([(CARTON, 0.6), (LOGO, 0.9), (other, 0.55)], CARTON, LOGO)
    assert keep_judged(both, NAMES, ROLES).confidences == pytest.approx([0.6, 0.9])
    strict = {**THRESHOLDS, "carton": 0.95}
    # None reaches its threshold, and the surest is looked at all the same.
    assert len(keep_judged(both, NAMES, ROLES, strict).confidences) == 2
    assert reads_right(both)
    assert not is_read_right(both, NAMES, ROLES, strict)


def test_what_is_left_away_and_what_is_too_much_is_wrong() -> None:
    assert not reads_right(see([(CARTON, 0.9)], CARTON, LOGO))
    assert not reads_right(see([(CARTON, 0.9), (LOGO, 0.9), (SEAL, 0.9)], CARTON, LOGO))
    assert reads_right(see([(CARTON, 0.9), (LOGO, 0.9), (SEAL, 0.4)], CARTON, LOGO))
    assert reads_right(see([], *[]))
    assert not reads_right(see([(LOGO, 0.9)], CARTON, LOGO))


def test_required_marks() -> None:
    outside = box("seal", 50, 50, 10, 10)
    genuine = [item(f"{number:064x}", "train", CARTON, LOGO, SEAL) for number in range(9)]
    marks = find_required_marks(make_manifest(*genuine, item("f" * 64, "train", CARTON, LOGO, outside)))
    assert marks == {"carton": ["logo", "seal"]}
    # Two of eleven without a seal on the product: no longer nine in ten.
    lacking = [item(letter * 64, "train", CARTON, LOGO, outside) for letter in "ef"]
    assert find_required_marks(make_manifest(*genuine, *lacking)) == {"carton": ["logo"]}


def test_required_marks_are_learned_from_genuine_training_pictures_only() -> None:
    known_fake = item("e" * 64, "train", CARTON, box("fake-logo", 8, 8, 10, 10))
    held_out = item("f" * 64, "val", CARTON)
    genuine = item("a" * 64, "train", CARTON, LOGO)
    assert find_required_marks(make_manifest(genuine, known_fake, held_out)) == {"carton": ["logo"]}
    assert find_required_marks(make_manifest(known_fake)) == {}
    marked = item("d" * 64, "train", CARTON).model_copy(update={"truth": "counterfeit"})
    assert find_required_marks(make_manifest(genuine, marked)) == {"carton": ["logo"]}
    assert find_required_marks(make_manifest(marked)) == {}


def test_a_mark_at_the_edge_is_required_as_serving_will_look_for_it() -> None:
    edge = box("logo", 44 + 1.6 - 5, 10, 10, 10)
    assert find_required_marks(make_manifest(item("a" * 64, "train", CARTON, edge))) == {"carton": ["logo"]}
