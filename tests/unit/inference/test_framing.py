from __future__ import annotations

import contextlib
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_engine import framing
from assay_engine.errors import BadFrame, ModelUnavailable
from assay_engine.framing import Found, Item
from assay_shared.errors import AssayError, NotFound

names = st.text(max_size=30)


@st.composite
def items(draw: st.DrawFn) -> Item:
    side = draw(st.integers(0, 9))
    data = draw(st.binary(min_size=side * side * 3, max_size=side * side * 3))
    return Item(draw(names), draw(names), np.frombuffer(data, np.uint8).reshape(side, side, 3))


@st.composite
def results(draw: st.DrawFn) -> Found | AssayError:
    if draw(st.booleans()):
        return draw(st.sampled_from([NotFound, ModelUnavailable]))(draw(st.text(min_size=1, max_size=50)))
    count = draw(st.integers(0, 5))
    numbers = st.floats(-1e4, 1e4, width=32)
    boxes = draw(st.lists(st.lists(numbers, min_size=4, max_size=4), min_size=count, max_size=count))
    confidences = draw(st.lists(st.floats(0, 1, width=32), min_size=count, max_size=count))
    labels = draw(st.lists(st.integers(0, 1000), min_size=count, max_size=count))
    return Found(
        np.array(boxes, np.float32).reshape(count, 4),
        np.array(confidences, np.float32),
        np.array(labels, np.int64),
    )


@given(st.lists(items(), max_size=5))
def test_requests_survive_the_journey(sent: list[Item]) -> None:
    received = framing.read_request(framing.write_request(sent))
    assert [(item.brand, item.version) for item in received] == [(item.brand, item.version) for item in sent]
    for before, after in zip(sent, received, strict=True):
        np.testing.assert_array_equal(before.pixels, after.pixels)


@given(left=st.floats(-1e4, 1e7))
def test_the_time_left_survives_whatever_the_clocks_show(left: float) -> None:
    pixels = np.zeros((0, 0, 3), np.uint8)
    started = time.monotonic()
    frame = framing.write_request([Item("acme", "v1", pixels, started + left), Item("acme", "v1", pixels)])
    limited, unlimited = framing.read_request(frame)
    assert limited.deadline is not None
    most = min(max(left, 0), (framing.NO_LIMIT - 1) / 1000)
    assert started <= limited.deadline <= time.monotonic() + most + 0.001
    assert unlimited.deadline is None


def test_a_frame_of_the_version_before_is_read() -> None:
    frame = b"AQ01" + (1).to_bytes(4) + (4).to_bytes(2) + b"acme" + (2).to_bytes(2) + b"v1" + (0).to_bytes(2)
    [item] = framing.read_request(frame)
    assert (item.brand, item.version, item.pixels.size, item.deadline) == ("acme", "v1", 0, None)


@given(st.lists(results(), max_size=5))
def test_responses_survive_the_journey(sent: list[Found | AssayError]) -> None:
    received = framing.read_response(framing.write_response(sent))
    assert len(received) == len(sent)
    for before, after in zip(sent, received, strict=True):
        assert type(before) is type(after)
        if isinstance(before, AssayError):
            assert isinstance(after, AssayError)
            assert before.detail == after.detail
        else:
            assert isinstance(after, Found)
            np.testing.assert_array_equal(before.boxes, after.boxes)
            np.testing.assert_array_equal(before.confidences, after.confidences)
            np.testing.assert_array_equal(before.labels, after.labels)


@given(st.binary(max_size=60))
def test_garbage_is_refused_and_nothing_else_happens(data: bytes) -> None:
    for read, magic in (
        (framing.read_request, b"AQ02"),
        (framing.read_request, b"AQ01"),
        (framing.read_response, b"AR01"),
    ):
        for frame in (data, magic + data):
            with contextlib.suppress(BadFrame):
                read(frame)


@given(st.lists(items(), min_size=1, max_size=3), st.data())
def test_a_frame_cut_short_or_grown_is_refused(sent: list[Item], data: st.DataObject) -> None:
    frame = framing.write_request(sent)
    cut = data.draw(st.integers(0, len(frame) - 1))
    with pytest.raises(BadFrame):
        framing.read_request(frame[:cut])
    with pytest.raises(BadFrame, match="follow the last item"):
        framing.read_request(frame + b"x")


def test_too_many_items_are_refused_on_both_sides() -> None:
    item = Item("acme", "v1", np.zeros((0, 0, 3), np.uint8))
    with pytest.raises(BadFrame, match="257 items"):
        framing.write_request([item] * 257)
    with pytest.raises(BadFrame, match="items in one message"):
        framing.read_request(b"AQ02\xff\xff\xff\xff")


@pytest.mark.parametrize("shape", [(4, 5, 3), (4, 4), (4, 4, 4)])
def test_a_picture_that_is_not_square_rgb_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadFrame, match="must be uint8"):
        framing.write_request([Item("acme", "v1", np.zeros(shape, np.uint8))])


def test_an_unknown_error_type_is_still_an_error() -> None:
    frame = b"AR01" + (1).to_bytes(4) + b"\x01" + (3).to_bytes(2) + b"odd" + (2).to_bytes(2) + b"no"
    [error] = framing.read_response(frame)
    assert isinstance(error, AssayError)
    assert error.detail == "no"
