from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_shared.annotations import (
    MAX_BOXES,
    AnnotationRefused,
    check_against_picture,
    parse_annotation,
    to_document,
)
from assay_shared.errors import all_errors
from assay_shared.wire import Annotation


def document(**changes: Any) -> dict[str, Any]:
    return {
        "file": "front.jpg",
        "image_size": [{"width": 100, "height": 80, "depth": 3}],
        "annotations": [{"class_id": 0, "left": 10, "top": 20, "width": 30, "height": 40}],
        "categories": [{"class_id": 0, "name": "box"}],
        **changes,
    }


def box(**changes: Any) -> dict[str, Any]:
    return {"class_id": 0, "left": 10, "top": 20, "width": 30, "height": 40, **changes}


def test_reads_boxes_with_label_names() -> None:
    parsed = parse_annotation(document(categories=[{"class_id": 0, "name": " box "}]))
    assert (parsed.file, parsed.width, parsed.height) == ("front.jpg", 100, 80)
    assert parsed.annotations == [Annotation(label="box", left=10, top=20, width=30, height=40)]


def test_a_picture_with_nothing_in_it_is_fine() -> None:
    assert parse_annotation(document(annotations=[], categories=[])).annotations == []


GOOD = box()
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"annotations": None}, "annotation-invalid", "annotations must be a list of boxes, not missing"),
    ({"annotations": [GOOD, 7]}, "annotation-invalid", "annotations[1] must be an object, not a number"),
    ({"annotations": [GOOD, box(width=0)]}, "empty-box", "annotations[1].width is 0"),
    ({"annotations": [box(height=-3)]}, "empty-box", "annotations[0].height is -3"),
    ({"annotations": [box(left=math.nan)]}, "not-a-number", "annotations[0].left is nan"),
    ({"annotations": [box(width=math.inf)]}, "not-a-number", "annotations[0].width is inf"),
    ({"annotations": [box(left=10**5000)]}, "not-a-number", "annotations[0].left is a number of more than"),
    ({"annotations": [box(left=True)]}, "annotation-invalid", "annotations[0].left is True"),
    ({"annotations": [box(left="10")]}, "annotation-invalid", "annotations[0].left is '10'"),
    ({"annotations": [{"class_id": 0}]}, "annotation-invalid", "annotations[0].left is missing"),
    ({"annotations": [{"left": 0}]}, "annotation-invalid", "annotations[0].class_id is missing"),
    ({"annotations": [GOOD, box(class_id=4)]}, "unknown-class", "annotations[1].class_id is 4"),
    ({"annotations": [box(class_id=0.5)]}, "annotation-invalid", "annotations[0].class_id is 0.5"),
    ({"annotations": [box(left=-5)]}, "box-outside", "by 5 pixels at the left edge"),
    ({"annotations": [box(left=75)]}, "box-outside", "by 5 pixels at the right edge"),
    ({"annotations": [box(top=-1.5)]}, "box-outside", "by 1.5 pixels at the top edge"),
    ({"annotations": [box(top=42)]}, "box-outside", "by 2 pixels at the bottom edge"),
    ({"annotations": [box(left=100, width=1)]}, "box-outside", "wholly outside"),
    ({"annotations": [box()] * (MAX_BOXES + 1)}, "too-many-boxes", "annotations has 2001 boxes"),
    ({"image_size": None}, "annotation-invalid", "image_size must be a list of one entry"),
    ({"image_size": [{"width": 0, "height": 1}]}, "annotation-invalid", "image_size[0].width is 0"),
    ({"image_size": [{"width": 10}]}, "annotation-invalid", "image_size[0].height is missing"),
    ({"categories": 3}, "annotation-invalid", "categories must be a list"),
    ({"categories": [{"class_id": 0, "name": "a/b"}]}, "bad-label", "categories[0].name is 'a/b'"),
    ({"categories": [{"class_id": 0, "name": " "}]}, "bad-label", "categories[0].name is ' '"),
    ({"categories": [{"class_id": 0, "name": None}]}, "bad-label", "categories[0].name is None"),
    (
        {"categories": [{"class_id": 0, "name": "a"}, {"class_id": 0, "name": "b"}]},
        "bad-label",
        "categories[1].class_id 0 is 'b', but an earlier entry says 'a'",
    ),
    ({"file": 7}, "annotation-invalid", "file must be"),
    ({"categories": [{"class_id": 0, "name": "\ud800"}]}, "bad-label", "categories[0].name is '\\ud800'"),
]


@pytest.mark.parametrize(("changes", "code", "words"), WRONG)
def test_names_the_entry_that_is_wrong(changes: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(AnnotationRefused) as caught:
        parse_annotation(document(**changes))
    assert caught.value.code == code
    assert words in caught.value.detail


def test_the_file_loses_characters_that_no_store_keeps() -> None:
    assert parse_annotation(document(file="a\x00b\ud800.jpg")).file == "ab.jpg"


def test_something_else_than_an_object() -> None:
    with pytest.raises(AnnotationRefused, match="must be a JSON object, not a list"):
        parse_annotation([])  # type: ignore[arg-type]


def test_cuts_off_what_rounding_left_outside() -> None:
    parsed = parse_annotation(document(annotations=[box(left=-0.5, top=0, width=101.5, height=80.25)]))
    assert parsed.annotations == [Annotation(label="box", left=0, top=0, width=100, height=80)]


def test_a_size_that_contradicts_the_picture() -> None:
    parsed = parse_annotation(document())
    check_against_picture(parsed, 100, 80)
    with pytest.raises(AnnotationRefused, match="lying on its side"):
        check_against_picture(parsed, 80, 100)
    with pytest.raises(AnnotationRefused, match="says 100x80, but the picture is 200x160") as caught:
        check_against_picture(parsed, 200, 160)
    assert caught.value.code == "size-contradicts"


def test_the_refusal_survives_the_way_through_a_problem_document() -> None:
    error = all_errors()["annotation-refused"]("annotations[0] is wrong", code="empty-box")
    assert isinstance(error, AnnotationRefused)
    assert (error.code, error.extra) == ("empty-box", {"code": "empty-box"})


labels = st.text("abcé中 -+", min_size=1, max_size=20).filter(lambda name: bool(name.strip()))


@st.composite
def boxes_in(draw: st.DrawFn, width: int, height: int) -> Annotation:
    left = draw(st.floats(0, width - 1))
    top = draw(st.floats(0, height - 1))
    return Annotation(
        label=draw(labels),
        left=left,
        top=top,
        width=draw(st.floats(0.5, width - left)),
        height=draw(st.floats(0.5, height - top)),
    )


@given(st.lists(boxes_in(640, 480), max_size=5))
def test_what_is_written_is_read_back_the_same(boxes: list[Annotation]) -> None:
    written = to_document(boxes, 640, 480, "a.jpg")
    assert written == to_document(boxes, 640, 480, "a.jpg")
    parsed = parse_annotation(written)
    check_against_picture(parsed, 640, 480)
    for before, after in zip(boxes, parsed.annotations, strict=True):
        assert after.label == before.label.strip()
        assert after.left == before.left
        assert math.isclose(after.width, before.width, abs_tol=1e-9)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
numbers = anything | st.floats(allow_nan=True)
loose_boxes = st.fixed_dictionaries(
    {
        "class_id": st.integers(0, 1) | anything,
        "left": numbers,
        "top": numbers,
        "width": numbers,
        "height": numbers,
    }
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "file": anything,
            "image_size": anything | st.just([{"width": 50, "height": 50}]),
            "annotations": anything | st.lists(loose_boxes, max_size=3),
            "categories": anything | st.just([{"class_id": 0, "name": "a"}]),
        },
    )
)
def test_any_json_is_read_or_refused(loose: dict[str, Any]) -> None:
    try:
        boxes = parse_annotation(loose).annotations
    except AnnotationRefused:
        return
    for item in boxes:
        assert min(item.width, item.height) > 0
        assert min(item.left, item.top) >= 0
        assert max(item.left + item.width, item.top + item.height) <= 50 * (1 + 1e-12)
