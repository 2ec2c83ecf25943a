"""The binary messages between the verify API and the engine: no JSON arrays, no base64, no pickle.

All numbers are big-endian. A request is

    b"AQ02"  u32 count, then for each item
             u32 milliseconds for which somebody still waits, 0xFFFFFFFF for no limit
             u16 length, brand (UTF-8)   u16 length, version (UTF-8)
             u16 side, then side * side * 3 bytes: the square RGB picture, row by row

and its response, items in the same order,

    b"AR01"  u32 count, then for each item
             u8 0 (found)    u32 n, then n * (4 float32 left, top, right, bottom; float32 confidence;
                             u32 label), in pixels of the square picture
             u8 1 (refused)  u16 length, the error's `type`   u16 length, its detail (UTF-8)

Time left is sent, not a time of day: the clocks of two hosts differ. b"AQ01" is the same without it, and is
still read, so that engines can be upgraded before those who call them.

A picture of side 0 asks only that the model version be loaded; its answer has no boxes. A request without
items is the probe of readiness. This module needs numpy only.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay_engine.errors import BadFrame
from assay_shared.errors import AssayError, all_errors

CONTENT_TYPE = "application/octet-stream"
REQUEST = b"AQ02"
UNTIMED_REQUEST = b"AQ01"
RESPONSE = b"AR01"
MAX_ITEMS = 256
MAX_SIDE = 4096
FOUND, REFUSED = 0, 1
NO_LIMIT = 0xFFFFFFFF

Pixels = npt.NDArray[np.uint8]
_ROW = np.dtype([("box", ">f4", (4,)), ("confidence", ">f4"), ("label", ">u4")])


@dataclass(frozen=True)
class Item:
    """One picture for one model version: uint8, (side, side, 3), RGB. Nobody waits for it after `deadline`,
    in seconds of this process' `time.monotonic`."""

    brand: str
    version: str
    pixels: Pixels
    deadline: float | None = None


@dataclass(frozen=True)
class Found:
    """The boxes of one picture: (n, 4) float32 left, top, right, bottom in its pixels; (n,) float32
    confidences; (n,) int64 label indices."""

    boxes: npt.NDArray[np.float32]
    confidences: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


NOTHING = Found(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


def write_request(items: Sequence[Item]) -> bytes:
    """The request frame. Raises BadFrame for a picture that is not square uint8 RGB, or too many items."""
    if len(items) > MAX_ITEMS:
        raise BadFrame(f"{len(items)} items in one request; {MAX_ITEMS} are allowed")
    parts = [REQUEST, struct.pack(">I", len(items))]
    now = time.monotonic()
    for place, item in enumerate(items):
        shape = item.pixels.shape
        if item.pixels.dtype != np.uint8 or len(shape) != 3 or shape[0] != shape[1] or shape[2] != 3:
            raise BadFrame(f"item {place}: the picture must be uint8 (side, side, 3), not {shape}")
        if shape[0] > MAX_SIDE:
            raise BadFrame(f"item {place}: the picture's side is {shape[0]}; {MAX_SIDE} is allowed")
        parts.append(struct.pack(">I", _milliseconds_left(item.deadline, now)))
        parts += [_text(item.brand), _text(item.version), struct.pack(">H", shape[0])]
        parts.append(np.ascontiguousarray(item.pixels).tobytes())
    return b"".join(parts)


def read_request(frame: bytes | bytearray | memoryview) -> list[Item]:
    """The items of a request frame; the pictures are read-only views of it. Raises BadFrame.

    Deadlines count from now: read a frame as soon as it is here.
    """
    reader = _Reader(frame)
    items = []
    now = time.monotonic()
    timed, count = reader.start_request()
    for _ in range(count):
        left = reader.number(">I") if timed else NO_LIMIT
        brand, version, side = reader.text(), reader.text(), reader.number(">H")
        if side > MAX_SIDE:
            raise BadFrame(f"A picture's side is {side}; {MAX_SIDE} is allowed")
        pixels = np.frombuffer(reader.take(side * side * 3), np.uint8).reshape(side, side, 3)
        pixels.flags.writeable = False
        items.append(Item(brand, version, pixels, None if left == NO_LIMIT else now + left / 1000))
    reader.end()
    return items


def write_response(results: Sequence[Found | AssayError]) -> bytes:
    """The response frame, one result for each item of the request."""
    parts = [RESPONSE, struct.pack(">I", len(results))]
    for result in results:
        if isinstance(result, AssayError):
            parts += [bytes([REFUSED]), _text(result.type), _text(result.detail)]
            continue
        rows = np.empty(len(result.confidences), _ROW)
        rows["box"], rows["confidence"], rows["label"] = result.boxes, result.confidences, result.labels
        parts += [bytes([FOUND]), struct.pack(">I", len(rows)), rows.tobytes()]
    return b"".join(parts)


def read_response(frame: bytes | bytearray | memoryview) -> list[Found | AssayError]:
    """The results of a response frame. Raises BadFrame; an unknown error type becomes AssayError."""
    reader = _Reader(frame)
    results: list[Found | AssayError] = []
    for _ in range(reader.start(RESPONSE)):
        status = reader.number(">B")
        if status == REFUSED:
            cls = all_errors().get(reader.text(), AssayError)
            results.append(cls(reader.text()))
        elif status == FOUND:
            rows = np.frombuffer(reader.take(reader.number(">I") * _ROW.itemsize), _ROW)
            results.append(
                Found(
                    rows["box"].astype(np.float32),
                    rows["confidence"].astype(np.float32),
                    rows["label"].astype(np.int64),
                )
            )
        else:
            raise BadFrame(f"An item has status {status}; 0 and 1 are known")
    reader.end()
    return results


def _milliseconds_left(deadline: float | None, now: float) -> int:
    return NO_LIMIT if deadline is None else min(NO_LIMIT - 1, max(0, round((deadline - now) * 1000)))


def _text(text: str) -> bytes:
    data = text.encode()[:0xFFFF]
    return struct.pack(">H", len(data)) + data


class _Reader:
    """Reads a frame from its start, never beyond its end."""

    def __init__(self, frame: bytes | bytearray | memoryview) -> None:
        self._frame = memoryview(frame).cast("B")
        self._at = 0

    def start_request(self) -> tuple[bool, int]:
        """Whether items say how much time is left, and the item count."""
        untimed = bytes(self._frame[:4]) == UNTIMED_REQUEST
        return not untimed, self.start(UNTIMED_REQUEST if untimed else REQUEST)

    def start(self, magic: bytes) -> int:
        """The item count, after the magic."""
        if bytes(self._frame[:4]) != magic:
            raise BadFrame(f"A message must start with {magic!r}, not {bytes(self._frame[:4])!r}")
        self._at = 4
        count = self.number(">I")
        if count > MAX_ITEMS:
            raise BadFrame(f"{count} items in one message; {MAX_ITEMS} are allowed")
        return count

    def take(self, size: int) -> memoryview:
        """The next `size` bytes."""
        if size > len(self._frame) - self._at:
            left = len(self._frame) - self._at
            raise BadFrame(f"The message ends at byte {len(self._frame)}: {size} wanted, {left} left")
        self._at += size
        return self._frame[self._at - size : self._at]

    def number(self, form: str) -> int:
        """The next number of a `struct` format."""
        value: int = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def text(self) -> str:
        """The next length-prefixed text."""
        data = bytes(self.take(self.number(">H")))
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise BadFrame(f"A text of the message is not UTF-8: {data[:40]!r}") from error

    def end(self) -> None:
        """Refuses bytes after the last item."""
        if self._at != len(self._frame):
            raise BadFrame(f"{len(self._frame) - self._at} bytes follow the last item of the message")
