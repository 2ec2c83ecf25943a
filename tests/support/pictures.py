"""Small image files with everything in them that ingest must take out, made on the spot."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

CORNERS = ((220, 30, 30), (30, 200, 30), (30, 30, 220), (240, 240, 60))
"""Colours of the upright picture's corners: top left, top right, bottom left, bottom right."""

# Stored pixels from upright ones, so that Exif's orientation turns them back.
STORED_FROM_UPRIGHT: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def upright_picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture whose four quarters differ, with soft noise, so that every turn of it looks different."""
    rows, columns = np.mgrid[:height, :width]
    quarter = (rows * 2 >= height).astype(int) * 2 + (columns * 2 >= width)
    noise = np.random.default_rng(seed).normal(0, 6, (height, width, 1))
    return Image.fromarray(np.clip(np.array(CORNERS)[quarter] + noise, 0, 255).astype(np.uint8))


def store_turned(upright: Image.Image, orientation: int) -> Image.Image:
    """The pixels as a camera that was held in another way stores them."""
    turn = STORED_FROM_UPRIGHT.get(orientation)
    return upright.transpose(turn) if turn is not None else upright


def gps_exif(orientation: int = 1) -> bytes:
    """An Exif block with a place, a camera's name and an orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Telltale Camera Works"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", (48.0, 51.0, 30.5), "E", (2.0, 17.0, 40.2)
    return exif.tobytes()


def save(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as the bytes of a file of Pillow's format `kind`."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    """A JPEG segment."""
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2) + body


def jpeg_full_of_metadata(image: Image.Image, orientation: int = 1, **options: Any) -> bytes:
    """A JPEG with Exif, GPS, XMP, IPTC, a comment, a thumbnail, MPF, a second picture and a tail."""
    plain = save(image, "JPEG", exif=gps_exif(orientation), **options)
    thumbnail = save(image.convert("RGB").resize((16, 16)), "JPEG")
    extras = (
        segment(0xE0, b"JFXX\x00\x10" + thumbnail)
        + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta>secret place</x:xmpmeta>")
        + segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x06secret")
        + segment(0xFE, b"taken by somebody")
        + segment(0xE2, b"MPF\x00II*\x00\x08\x00\x00\x00\x00\x00")
        + segment(0xE5, b"maker's own notes")
    )
    return plain[:2] + extras + plain[2:] + thumbnail + b"tail of the file"


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk with its checksum."""
    return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)


def with_png_chunks(png: bytes, *chunks: bytes) -> bytes:
    """The PNG with further chunks after its header chunk."""
    return png[:33] + b"".join(chunks) + png[33:]


def with_webp_chunks(webp: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """The WebP with further chunks at its end."""
    body = webp[8:] + b"".join(k + struct.pack("<I", len(b)) + b + b"\x00" * (len(b) & 1) for k, b in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC version 2 profile of the tags given."""
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + b"\x00" * (-len(data) % 4)
    size = start + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"\0" * 4, 0x02400000, kind, space, connection)
    head = head.ljust(36, b"\0") + b"acsp"
    head = head.ljust(64, b"\0") + struct.pack(">I", 1) + _fixed(0.9642, 1.0, 0.8249)
    return head.ljust(128, b"\0") + table + body


def wide_gamut_profile() -> bytes:
    """Display P3's primaries (adapted to D50) with a plain gamma of 2.2."""

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + _fixed(*values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256))
    return _profile(
        b"mntr",
        b"RGB ",
        b"XYZ ",
        {
            b"wtpt": xyz(0.9642, 1.0, 0.8249),
            b"rXYZ": xyz(0.5151, 0.2412, -0.0011),
            b"gXYZ": xyz(0.2920, 0.6922, 0.0419),
            b"bXYZ": xyz(0.1571, 0.0666, 0.7841),
            b"rTRC": curve,
            b"gTRC": curve,
            b"bTRC": curve,
        },
    )


def odd_press_profile() -> bytes:
    """A CMYK profile of a strange press, whose cyan ink prints red: nobody gets red without reading it."""
    white, red, black = (255, 128, 128), (136, 208, 195), (0, 128, 128)
    grid = bytearray()
    for corner in range(16):
        cyan, _magenta, _yellow, key = (corner >> bit & 1 for bit in (3, 2, 1, 0))
        grid += bytes(black if key else red if cyan else white)
    ramp = bytes(range(256))
    matrix = _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + ramp * 4 + bytes(grid) + ramp * 3
    return _profile(
        b"prtr", b"CMYK", b"Lab ", {b"wtpt": b"XYZ \0\0\0\0" + _fixed(0.9642, 1, 0.8249), b"A2B0": table}
    )
