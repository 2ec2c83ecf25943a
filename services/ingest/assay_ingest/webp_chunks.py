"""WebP rewritten without decoding: only the picture's own bitstream is kept, in the simple file format.

Source: RFC 9649, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass

from assay_ingest.colour import MAX_PROFILE_BYTES
from assay_ingest.errors import refuse_animated, refuse_corrupt, refuse_truncated
from assay_ingest.orientation import read_orientation

_ANIMATION_FLAG = 0x02
_LOSSLESS_SIGNATURE = 0x2F


@dataclass(frozen=True)
class WebpParts:
    """A WebP taken apart. `clean` is the same picture without metadata, not yet turned upright.

    Where `has_alpha` is set, `clean` still holds the transparency.
    """

    clean: bytes
    width: int
    height: int
    lossless: bool
    has_alpha: bool
    orientation: int
    icc: bytes | None


def _wrap(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A RIFF file of the chunks, each padded to an even length."""
    body = b"".join(
        kind + len(data).to_bytes(4, "little") + data + b"\x00" * (len(data) & 1) for kind, data in chunks
    )
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body


def _read_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    end = int.from_bytes(data[4:8], "little") + 8
    if end > len(data) or end < 20:
        raise refuse_truncated("the end of the picture is missing")
    chunks: list[tuple[bytes, bytes]] = []
    at = 12
    while at + 8 <= end:
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + length > end:
            raise refuse_truncated("it ends inside a chunk")
        chunks.append((kind, data[at + 8 : at + 8 + length]))
        at += 8 + length + (length & 1)
    return chunks


def _size_of_bitstream(kind: bytes, body: bytes) -> tuple[int, int]:
    """Width and height of a VP8 key frame (RFC 6386, 9.1) or a VP8L stream (RFC 9649, 3.4)."""
    if kind == b"VP8L" and len(body) >= 5 and body[0] == _LOSSLESS_SIGNATURE:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and len(body) >= 10 and body[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    raise refuse_corrupt("its picture does not start with a header")


def parse_webp(data: bytes) -> WebpParts:
    """Take a WebP apart in one pass and put the picture's own chunks together.

    Raises ImageRefused `truncated`, `corrupt` or `animated`.
    """
    chunks = _read_chunks(data)
    found: dict[bytes, bytes] = {}
    for name, body in chunks:
        found.setdefault(name, body)
    extended = found.get(b"VP8X", b"")
    if b"ANIM" in found or b"ANMF" in found or (extended and extended[0] & _ANIMATION_FLAG):
        raise refuse_animated("an animated WebP")
    kind = next((k for k, _ in chunks if k in {b"VP8 ", b"VP8L"}), None)
    if kind is None:
        raise refuse_corrupt("it holds no picture, only headers")
    picture = found[kind]
    width, height = _size_of_bitstream(kind, picture)
    lossless = kind == b"VP8L"
    alpha = found.get(b"ALPH") if not lossless else None
    kept = [(kind, picture)]
    if alpha is not None:
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        kept = [(b"VP8X", b"\x10\x00\x00\x00" + size), (b"ALPH", alpha), (kind, picture)]
    icc = found.get(b"ICCP")
    return WebpParts(
        clean=_wrap(kept),
        width=width,
        height=height,
        lossless=lossless,
        has_alpha=alpha is not None or (lossless and bool(picture[4] & 0x10)),
        orientation=read_orientation(found.get(b"EXIF", b"")),
        icc=icc if icc is not None and len(icc) <= MAX_PROFILE_BYTES else None,
    )
