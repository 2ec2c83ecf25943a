"""An uploaded image in, a clean copy out: upright, sRGB, and with nothing in the file but the picture.

Pure functions of bytes. What is done to each format:

| in | out |
|---|---|
| JPEG, upright, sRGB | the same coded picture, metadata left out (`segments`) |
| JPEG, to be turned, whole MCUs | turned without loss (`lossless-rotation`) |
| JPEG with another colour space, CMYK, or ragged edges to be turned | JPEG, quality 95 (`re-encoded`) |
| PNG, WebP: upright, sRGB, opaque, 8 bits | the same coded picture (`segments`) |
| PNG, lossless WebP otherwise | PNG, no loss but for 16 bits becoming 8 (`re-encoded`) |
| lossy WebP otherwise, HEIC, AVIF, TIFF | JPEG, quality 95, 4:4:4 (`re-encoded`) |

Transparency is laid on white: a person sees it so on a page, and what hides under it is not stored.
Animated files are refused; of a burst or a TIFF of many pages the primary or first picture is taken.
Orientation is Exif's (in HEIF and AVIF: the file's own boxes); one that only XMP names is not obeyed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from PIL import Image

from assay_ingest.colour import moves_colours, to_srgb
from assay_ingest.errors import ImageRefused, check_pixel_count, refuse_animated
from assay_ingest.heif import decode_heif
from assay_ingest.jpeg_rotation import rotate_losslessly
from assay_ingest.jpeg_segments import JpegParts, parse_jpeg
from assay_ingest.orientation import make_upright
from assay_ingest.pillow_guard import decode, decoding, open_image
from assay_ingest.png_chunks import parse_png
from assay_ingest.reencode import encode_jpeg, encode_png
from assay_ingest.sniff import identify
from assay_ingest.webp_chunks import parse_webp

OutputFormat = Literal["jpeg", "png", "webp"]
Method = Literal["segments", "lossless-rotation", "re-encoded"]
EXTENSION: dict[OutputFormat, Literal["jpg", "png", "webp"]] = {"jpeg": "jpg", "png": "png", "webp": "webp"}

# Baseline, extended and progressive Huffman: what every decoder reads. Arithmetic coding is re-encoded.
_COMMON_FRAMES = frozenset({0xC0, 0xC1, 0xC2})


@dataclass(frozen=True)
class CleanImage:
    """A sanitised image: `width` and `height` are those of the upright picture, in pixels."""

    data: bytes
    format: OutputFormat
    extension: Literal["jpg", "png", "webp"]
    width: int
    height: int
    method: Method

    @cached_property
    def sha256(self) -> str:
        """The hash of `data` in hex, made once, when it is first asked for."""
        return hashlib.sha256(self.data).hexdigest()


def sanitise_image(data: bytes, *, declared_name: str, max_pixels: int) -> CleanImage:
    """The clean copy of an uploaded image of at most `max_pixels` pixels.

    Where the method is not `re-encoded` no pixel was decoded: call `phash.perceptual_hash` (or
    `phash.verify_pixels`) on the result before it is accepted, which proves that it decodes to its end.

    Raises ImageRefused, with a code and a message for people.
    """
    return _SANITISERS[identify(data, declared_name)](data, max_pixels)


def _finish(data: bytes, kind: OutputFormat, size: tuple[int, int], method: Method) -> CleanImage:
    return CleanImage(data, kind, EXTENSION[kind], *size, method)


def _upright_srgb(image: Image.Image, icc: bytes | None, orientation: int) -> Image.Image:
    with decoding():
        return make_upright(to_srgb(image, icc), orientation)


def _sanitise_jpeg(data: bytes, max_pixels: int) -> CleanImage:
    parts = parse_jpeg(data)
    check_pixel_count(parts.width, parts.height, max_pixels)
    if parts.bits != 8:
        raise ImageRefused(
            "unsupported-format",
            f"This JPEG has {parts.bits} bits a channel; only 8 are taken. Export it as an ordinary JPEG.",
        )
    if _keeps_its_coding(parts):
        if parts.orientation == 1:
            return _finish(parts.clean, "jpeg", (parts.width, parts.height), "segments")
        turned = rotate_losslessly(parts)
        if turned is not None:
            size = (parts.width, parts.height) if parts.orientation < 5 else (parts.height, parts.width)
            return _finish(turned, "jpeg", size, "lossless-rotation")
    image = _upright_srgb(decode(parts.clean, "JPEG", max_pixels), parts.icc, parts.orientation)
    first = parts.components[0]
    halved = len(parts.components) == 3 and (first.horizontal, first.vertical) == (2, 2)
    return _finish(encode_jpeg(image, chroma_halved=halved), "jpeg", image.size, "re-encoded")


def _keeps_its_coding(parts: JpegParts) -> bool:
    if parts.frame not in _COMMON_FRAMES or len(parts.components) not in {1, 3}:
        return False
    return not (parts.icc and moves_colours(parts.icc, "L" if len(parts.components) == 1 else "RGB"))


def _sanitise_png(data: bytes, max_pixels: int) -> CleanImage:
    parts = parse_png(data)
    check_pixel_count(parts.width, parts.height, max_pixels)
    grey = data[25] in {0, 4}
    other_colours = parts.icc is not None and moves_colours(parts.icc, "L" if grey else "RGB")
    if parts.orientation == 1 and parts.bits <= 8 and not parts.has_alpha and not other_colours:
        return _finish(parts.clean, "png", (parts.width, parts.height), "segments")
    image = _upright_srgb(decode(parts.clean, "PNG", max_pixels), parts.icc, parts.orientation)
    return _finish(encode_png(image), "png", image.size, "re-encoded")


def _sanitise_webp(data: bytes, max_pixels: int) -> CleanImage:
    parts = parse_webp(data)
    check_pixel_count(parts.width, parts.height, max_pixels)
    other_colours = parts.icc is not None and moves_colours(parts.icc, "RGB")
    if parts.orientation == 1 and not parts.has_alpha and not other_colours:
        return _finish(parts.clean, "webp", (parts.width, parts.height), "segments")
    image = _upright_srgb(decode(parts.clean, "WEBP", max_pixels), parts.icc, parts.orientation)
    if parts.lossless:
        return _finish(encode_png(image), "png", image.size, "re-encoded")
    return _finish(encode_jpeg(image), "jpeg", image.size, "re-encoded")


def _sanitise_heif(data: bytes, max_pixels: int) -> CleanImage:
    image, icc = decode_heif(data, max_pixels)
    upright = _upright_srgb(image, icc, 1)
    return _finish(encode_jpeg(upright), "jpeg", upright.size, "re-encoded")


def _sanitise_avif(data: bytes, max_pixels: int) -> CleanImage:
    with decoding():
        image = open_image(data, "AVIF", max_pixels)
        if getattr(image, "is_animated", False):
            raise refuse_animated("an AVIF film")
        image.load()
        # Pillow reports the file's turn and mirror boxes as Exif's orientation.
        orientation = image.getexif().get(0x0112, 1)
    return _reencode_photo(image, orientation)


def _sanitise_tiff(data: bytes, max_pixels: int) -> CleanImage:
    with decoding():
        image = open_image(data, "TIFF", max_pixels)
        # Read before load(): Pillow 13 turns a TIFF upright while loading and then drops the tag.
        image.load()
        orientation = image.getexif().get(0x0112, 1)
    return _reencode_photo(image, orientation)


def _reencode_photo(image: Image.Image, orientation: int) -> CleanImage:
    icc = image.info.get("icc_profile")
    upright = _upright_srgb(image, icc if isinstance(icc, bytes) else None, orientation)
    return _finish(encode_jpeg(upright), "jpeg", upright.size, "re-encoded")


_SANITISERS = {
    "jpeg": _sanitise_jpeg,
    "png": _sanitise_png,
    "webp": _sanitise_webp,
    "tiff": _sanitise_tiff,
    "heif": _sanitise_heif,
    "avif": _sanitise_avif,
}
