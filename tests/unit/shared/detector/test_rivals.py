"""One place, one label."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assay_shared.detector.overlap import measure_overlap
from assay_shared.detector.rivals import RIVAL_OVERLAP, find_unrivalled

BOXES = st.lists(
    st.tuples(st.floats(0, 80), st.floats(0, 80), st.floats(1, 40), st.floats(1, 40), st.floats(0, 1)),
    max_size=12,
)


def test_the_surer_of_two_labels_keeps_the_place_and_marks_stay_on_their_product() -> None:
    boxes = np.array([[0, 0, 100, 100], [10, 10, 30, 30], [11, 10, 31, 30]], np.float32)
    kept = find_unrivalled(boxes, np.array([0.9, 0.6, 0.8], np.float32))
    assert kept.tolist() == [0, 2]


@given(BOXES)
def test_what_is_left_has_no_rivals_and_what_went_had_a_surer_one(
    rows: list[tuple[float, float, float, float, float]],
) -> None:
    table = np.array(rows, np.float32).reshape(-1, 5)
    boxes = np.concatenate((table[:, :2], table[:, :2] + table[:, 2:4]), 1)
    kept = find_unrivalled(boxes, table[:, 4])
    overlap = measure_overlap(boxes, boxes)
    left = overlap[np.ix_(kept, kept)] - np.eye(len(kept), dtype=np.float32)
    assert (left < RIVAL_OVERLAP + 1e-5).all()
    for gone in set(range(len(table))) - set(kept.tolist()):
        assert any(
            overlap[gone, one] >= RIVAL_OVERLAP - 1e-5 and table[one, 4] >= table[gone, 4] for one in kept
        )
