"""Suppression of many pictures at once, against that of one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_engine.suppression import find_in_rows
from assay_shared.detector.postprocess import find_detections
from tests.support.slots import draw_raw, to_rows


@given(
    st.integers(0, 1 << 20),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(1, 400),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.sampled_from([1, 50, 8192]),
)
def test_as_one_by_one(seed: int, pictures: int, labels: int, anchors: int, share: float, most: int) -> None:
    raw = draw_raw(np.random.default_rng(seed), pictures, labels, anchors, share)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assay_engine.suppression.MOST_BOXES", most)
        found = find_in_rows(to_rows(raw))
    wanted = find_detections(raw)
    assert len(found) == len(wanted) == pictures
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.confidences, other.confidences)
        np.testing.assert_array_equal(one.labels, other.labels)
        assert one.labels.dtype == np.int64
