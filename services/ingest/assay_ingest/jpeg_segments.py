"""JPEG rewritten without decoding: what codes the picture is kept byte for byte, all else is left out.

Sources: ITU-T T.81 annex B (markers), T.871 (JFIF), ICC.1:2022 annex B.4 (profile in APP2),
Adobe TN 5116 (APP14). The scan data is searched by one regular expression, not walked, so that a 12
megapixel file takes milliseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from assay_ingest.colour import MAX_PROFILE_BYTES
from assay_ingest.errors import refuse_bomb, refuse_corrupt, refuse_truncated
from assay_ingest.orientation import read_orientation

MAX_SCANS = 100
"""Encoders make up to 12 scans; each costs a pass over the whole picture however few bytes it has."""

_SOI, _EOI, _SOS, _DNL, _APP0, _APP1, _APP2, _APP14 = 0xD8, 0xD9, 0xDA, 0xDC, 0xE0, 0xE1, 0xE2, 0xEE
_DHT, _DAC, _DQT, _DRI = 0xC4, 0xCC, 0xDB, 0xDD
_FRAMES = frozenset(range(0xC0, 0xD0)) - {_DHT, 0xC8, _DAC}
_TABLES = frozenset({_DHT, _DAC, _DQT, _DRI})
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})

# Inside a scan, 0xFF is followed by 00 (a stuffed byte), D0 to D7 (a restart) or FF (fill).
_SCAN_END = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_JFIF = b"JFIF\x00"
_JFIF_BYTES = 14
_ADOBE = b"Adobe"
_ADOBE_BYTES = 12
_ICC = b"ICC_PROFILE\x00"
_EXIF = b"Exif\x00\x00"


@dataclass(frozen=True)
class Component:
    """One colour component of a frame: its id and its sampling factors."""

    id: int
    horizontal: int
    vertical: int


@dataclass(frozen=True)
class JpegParts:
    """A JPEG taken apart. `clean` is the same picture without metadata, not yet turned upright.

    `skeleton` is `clean` with every scan's data left out: all that a decoder can reject outright.
    """

    clean: bytes
    skeleton: bytes
    width: int
    height: int
    bits: int
    frame: int
    components: tuple[Component, ...]
    orientation: int
    icc: bytes | None

    @property
    def mcu_size(self) -> tuple[int, int]:
        """Width and height in pixels of the blocks that a lossless turn moves as a whole."""
        if len(self.components) == 1:
            return 8, 8
        return 8 * max(c.horizontal for c in self.components), 8 * max(c.vertical for c in self.components)


@dataclass(frozen=True)
class _Frame:
    marker: int
    bits: int
    width: int
    height: int
    components: tuple[Component, ...]


def _parse_frame(marker: int, body: bytes) -> _Frame:
    if len(body) < 6 or len(body) != 6 + 3 * body[5] or not 1 <= body[5] <= 4:
        raise refuse_corrupt("its frame header has a wrong length")
    components = tuple(Component(body[i], body[i + 1] >> 4, body[i + 1] & 15) for i in range(6, len(body), 3))
    if any(not (1 <= c.horizontal <= 4 and 1 <= c.vertical <= 4) for c in components):
        raise refuse_corrupt("its frame header has impossible sampling factors")
    return _Frame(marker, body[0], int.from_bytes(body[3:5]), int.from_bytes(body[1:3]), components)


def _join_profile(chunks: dict[int, bytes]) -> bytes | None:
    """The ICC profile of its numbered chunks, or None when chunks are missing or it is no profile."""
    profile = b"".join(chunks[number] for number in sorted(chunks))
    complete = bool(chunks) and sorted(chunks) == list(range(1, len(chunks) + 1))
    return profile if complete and len(profile) <= MAX_PROFILE_BYTES else None


def _next_marker(data: bytes, at: int) -> tuple[int, int]:
    """The marker that starts at `at`, fill bytes skipped, and the position after it."""
    if at >= len(data):
        raise refuse_truncated("the end of the picture is missing")
    if data[at] != 0xFF:
        raise refuse_corrupt(f"there is no marker where one must be (byte {at})")
    while at < len(data) and data[at] == 0xFF:
        at += 1
    if at >= len(data):
        raise refuse_truncated("the end of the picture is missing")
    return data[at], at + 1


def _end_of_segment(data: bytes, at: int) -> int:
    """Where the segment whose length field is at `at` ends."""
    if at + 2 > len(data):
        raise refuse_truncated("it ends inside a header")
    length = int.from_bytes(data[at : at + 2])
    if length < 2:
        raise refuse_corrupt(f"a segment has an impossible length (byte {at})")
    if at + length > len(data):
        raise refuse_truncated("it ends inside a header")
    return at + length


def parse_jpeg(data: bytes) -> JpegParts:
    """Take a JPEG apart in one pass and put the picture's own segments together again.

    Kept: JFIF (without its thumbnail), Adobe's colour marker, tables, frame, scans. Left out: Exif, XMP,
    IPTC, comments, thumbnails, maker notes, further pictures (MPF), the ICC profile (returned beside), and
    all bytes after the end of the picture. Nothing is decoded: damage inside the scan data is found by
    `phash.verify_pixels`, not here.

    Raises ImageRefused `truncated`, `corrupt` or `decompression-bomb`.
    """
    kept: list[bytes | memoryview] = [b"\xff\xd8"]
    view = memoryview(data)
    scans: set[int] = set()
    frame: _Frame | None = None
    orientation: int | None = None
    profile: dict[int, bytes] = {}
    seen_jfif = seen_adobe = False
    at = 2
    while True:
        marker, at = _next_marker(data, at)
        if marker == _EOI:
            break
        if marker in _STANDALONE:
            continue
        if marker in {_SOI, 0x00}:
            raise refuse_corrupt(f"a second picture starts inside the first (byte {at})")
        end = _end_of_segment(data, at)
        body = data[at + 2 : end]
        if marker in _FRAMES:
            if frame is not None:
                raise refuse_corrupt("it has two frame headers")
            frame = _parse_frame(marker, body)
            kept.append(b"\xff" + data[at - 1 : end])
        elif marker in _TABLES:
            kept.append(b"\xff" + data[at - 1 : end])
        elif marker == _SOS:
            if frame is None:
                raise refuse_corrupt("a scan starts before the frame header")
            found = _SCAN_END.search(data, end)
            if found is None:
                raise refuse_truncated("the end of the picture is missing")
            kept.append(b"\xff" + data[at - 1 : end])
            scans.add(len(kept))
            if len(scans) > MAX_SCANS:
                raise refuse_bomb(f"it has over {MAX_SCANS} scans")
            kept.append(view[end : found.start()])
            end = found.start()
        elif marker == _DNL:
            raise refuse_corrupt("it gives its height after the picture (DNL), which decoders do not support")
        elif marker == _APP0 and body.startswith(_JFIF) and len(body) >= _JFIF_BYTES and not seen_jfif:
            kept.append(b"\xff\xe0\x00\x10" + body[: _JFIF_BYTES - 2] + b"\x00\x00")
            seen_jfif = True
        elif marker == _APP14 and body.startswith(_ADOBE) and len(body) >= _ADOBE_BYTES and not seen_adobe:
            kept.append(b"\xff\xee\x00\x0e" + body[:_ADOBE_BYTES])
            seen_adobe = True
        elif marker == _APP1 and body.startswith(_EXIF) and orientation is None:
            orientation = read_orientation(body)
        elif marker == _APP2 and body.startswith(_ICC) and len(body) > len(_ICC) + 2:
            profile.setdefault(body[len(_ICC)], body[len(_ICC) + 2 :])
        at = end
    if frame is None or not scans:
        raise refuse_corrupt("it holds no picture, only headers")
    kept.append(b"\xff\xd9")
    return JpegParts(
        clean=b"".join(kept),
        skeleton=b"".join(part for place, part in enumerate(kept) if place not in scans),
        width=frame.width,
        height=frame.height,
        bits=frame.bits,
        frame=frame.marker,
        components=frame.components,
        orientation=orientation or 1,
        icc=_join_profile(profile),
    )
