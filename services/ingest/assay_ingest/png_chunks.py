"""PNG rewritten without decoding: the chunks that code the picture are kept, all others are left out.

Source: W3C PNG Third Edition, sections 5 and 11. Text chunks are dropped unread, so what they would
unpack to does not matter.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from assay_ingest.colour import MAX_PROFILE_BYTES
from assay_ingest.errors import refuse_animated, refuse_bomb, refuse_corrupt, refuse_truncated
from assay_ingest.orientation import read_orientation

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_ALPHA_COLOUR_TYPES = frozenset({4, 6})


@dataclass(frozen=True)
class PngParts:
    """A PNG taken apart. `clean` is the same picture without metadata, not yet turned upright."""

    clean: bytes
    width: int
    height: int
    bits: int
    has_alpha: bool
    orientation: int
    icc: bytes | None


def _read_profile(body: bytes) -> bytes | None:
    """The unpacked profile of an iCCP chunk, or None when it cannot be unpacked."""
    _name, _, packed = body.partition(b"\x00")
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed[1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return None
    if unpacker.unconsumed_tail:
        raise refuse_bomb(f"its colour profile has over {MAX_PROFILE_BYTES >> 20} MB")
    return profile


def parse_png(data: bytes) -> PngParts:
    """Take a PNG apart in one pass, checking every checksum, and put the picture's own chunks together.

    Raises ImageRefused `truncated`, `corrupt`, `animated` or `decompression-bomb`.
    """
    kept = [_SIGNATURE]
    header = b""
    kind = b""
    has_transparency = has_pixels = False
    orientation = 1
    icc: bytes | None = None
    at = len(_SIGNATURE)
    view = memoryview(data)
    while kind != b"IEND":
        if at + 12 > len(data):
            raise refuse_truncated("the end of the picture is missing")
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        end = at + 12 + length
        if not kind.isalpha():
            raise refuse_corrupt(f"there is no chunk where one must be (byte {at})")
        if end > len(data):
            raise refuse_truncated(f"it ends inside a chunk ({kind.decode('ascii')})")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            raise refuse_corrupt(f"the checksum of a chunk is wrong ({kind.decode('ascii')})")
        body = view[at + 8 : end - 4]
        if not header:
            if kind != b"IHDR" or length != 13:
                raise refuse_corrupt("it does not start with a header chunk (IHDR)")
            header = bytes(body)
        elif kind == b"IHDR":
            raise refuse_corrupt("it has two header chunks (IHDR)")
        if kind == b"acTL":
            raise refuse_animated("an animated PNG")
        if kind == b"eXIf":
            orientation = read_orientation(bytes(body))
        elif kind == b"iCCP" and icc is None:
            icc = _read_profile(bytes(body))
        has_transparency |= kind == b"tRNS"
        has_pixels |= kind == b"IDAT"
        if kind in _KEPT:
            kept.append(data[at:end])
        at = end
    if not has_pixels:
        raise refuse_corrupt("it holds no picture, only headers")
    return PngParts(
        clean=b"".join(kept),
        width=int.from_bytes(header[:4]),
        height=int.from_bytes(header[4:8]),
        bits=header[8],
        has_alpha=has_transparency or header[9] in _ALPHA_COLOUR_TYPES,
        orientation=orientation,
        icc=icc,
    )
