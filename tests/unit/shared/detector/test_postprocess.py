"""Decoding and non-maximum suppression, on raw outputs made by hand."""

from __future__ import annotations

import copy

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay_shared.detector.architecture import fold_batch_norms
from assay_shared.detector.postprocess import MAX_DETECTIONS, find_detections, find_detections_in_levels


def make_raw(*anchors: tuple[float, ...]) -> torch.Tensor:
    """Raw output (1, 4 + labels, anchors) from (x, y, width, height, confidence of each label) of anchors."""
    return torch.tensor(anchors).T[None]


def test_boxes_become_corners_strongest_first() -> None:
    (found,) = find_detections(make_raw((50, 40, 20, 10, 0.3, 0.6), (200, 200, 8, 8, 0.9, 0.1)))
    assert found.boxes.tolist() == [[196, 196, 204, 204], [40, 35, 60, 45]]
    assert found.labels.tolist() == [0, 1]
    np.testing.assert_allclose(found.confidences, [0.9, 0.6])


def test_overlap_suppresses_within_a_label_only() -> None:
    raw = make_raw((50, 50, 20, 20, 0.9, 0.0), (51, 50, 20, 20, 0.8, 0.0), (50, 50, 20, 20, 0.0, 0.7))
    (found,) = find_detections(raw)
    assert found.labels.tolist() == [0, 1]


def test_limits() -> None:
    spread = [(float(place * 30), 10.0, 8.0, 8.0, 0.5) for place in range(400)]
    (found,) = find_detections(make_raw(*spread))
    assert len(found) == MAX_DETECTIONS
    (found,) = find_detections(make_raw(*spread), min_confidence=0.5)
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)


def test_not_a_number_is_no_detection() -> None:
    (found,) = find_detections(make_raw((50, 50, 20, 20, float("nan")), (50, 50, 20, 20, 0.5)))
    np.testing.assert_allclose(found.confidences, [0.5])


def test_levels_give_what_the_decoded_head_gives(trained_model: torch.nn.Module) -> None:
    folded = fold_batch_norms(copy.deepcopy(trained_model))
    pictures = torch.rand(2, 3, 96, 160, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        decoded, head = folded(pictures)
    strides = [8, 16, 32]
    both = torch.cat([head["boxes"], head["scores"]], 1)
    sizes = [(96 // stride, 160 // stride) for stride in strides]
    levels = [
        part.unflatten(2, size).permute(0, 2, 3, 1).contiguous().numpy()
        for part, size in zip(both.split([height * width for height, width in sizes], 2), sizes, strict=True)
    ]
    floor = float(decoded[:, 4:].amax(1).flatten().sort().values[-40])
    expected = find_detections(decoded, floor)
    found = find_detections_in_levels(levels, np.arange(16, dtype=np.float32), strides, floor)
    assert [len(one) for one in found] == [len(one) for one in expected]
    assert sum(len(one) for one in found) > 5
    for ours, reference in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.labels, reference.labels)
        np.testing.assert_allclose(ours.boxes, reference.boxes, atol=1e-3)
        np.testing.assert_allclose(ours.confidences, reference.confidences, atol=1e-6)


position = st.floats(0, 320, width=32)
anchor = st.tuples(position, position, st.floats(1, 99, width=32), st.floats(1, 99, width=32))


@given(st.lists(st.tuples(anchor, st.floats(0, 1, width=32), st.integers(0, 2)), min_size=1, max_size=30))
def test_what_is_kept(anchors: list[tuple[tuple[float, ...], float, int]]) -> None:
    rows = [
        (*box, *(confidence * (label == index) for index in range(3))) for box, confidence, label in anchors
    ]
    (found,) = find_detections(make_raw(*rows), min_confidence=0.1, iou_limit=0.5)
    assert (np.diff(found.confidences) <= 0).all()
    assert (found.confidences > 0.1).all()
    strongest = max(confidence for _, confidence, _ in anchors)
    if strongest > 0.1:
        assert found.confidences[0] == np.float32(strongest)
    for first in range(len(found)):
        for second in range(first):
            if found.labels[first] == found.labels[second]:
                assert overlap(found.boxes[first], found.boxes[second]) <= 0.5 + 1e-5


def overlap(left: np.ndarray, right: np.ndarray) -> float:
    low, high = np.maximum(left[:2], right[:2]), np.minimum(left[2:], right[2:])
    shared = float(np.clip(high - low, 0, None).prod())
    return shared / (float((left[2:] - left[:2]).prod()) + float((right[2:] - right[:2]).prod()) - shared)
