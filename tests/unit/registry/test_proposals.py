from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assay_registry.proposals import propose
from assay_shared.annotations import check_against_picture, parse_annotation, to_document
from assay_shared.wire import Annotation, Box, Detection, LabelRole

SIDES = st.floats(-50, 450)


def detection(left: float, top: float, width: float, height: float) -> Detection:
    box = Box(left=left, top=top, width=width, height=height)
    return Detection(label="carton", role=LabelRole.PRODUCT, confidence=0.9, box=box)


def test_boxes_are_cut_off_at_the_edges_and_slivers_left_out() -> None:
    boxes = propose(
        [detection(-5, 10, 30, 20), detection(399.5, 0, 40, 40), detection(10, 10, 5, 5)], 400, 300
    )
    assert boxes == [
        Annotation(label="carton", left=0, top=10, width=25, height=20),
        Annotation(label="carton", left=10, top=10, width=5, height=5),
    ]


@given(st.lists(st.builds(detection, SIDES, SIDES, st.floats(0, 500), st.floats(0, 500)), max_size=20))
def test_what_is_proposed_can_be_saved_as_it_is(found: list[Detection]) -> None:
    document = to_document(propose(found, 400, 300), 400, 300, "x.jpg")
    check_against_picture(parse_annotation(document), 400, 300)
