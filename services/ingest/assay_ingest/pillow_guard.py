"""Pillow, opened with one format only, within a pixel limit, with every way of failing made a refusal."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from assay_ingest.errors import ImageRefused, check_pixel_count, refuse_bomb, refuse_corrupt, refuse_truncated

# What Pillow 13 and the codecs below it raise on hostile bytes, beyond OSError and ValueError.
_DECODER_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    AttributeError,
    RuntimeError,
    EOFError,
    struct.error,
    zlib.error,
)
_CUT_OFF = (
    "truncated",
    "end of file",
    "unexpected end",
    "not enough data",
    "eof",
    "unrecognized data stream",
)


@contextmanager
def decoding() -> Iterator[None]:
    """Turn whatever a decoder raises into ImageRefused, and keep its warnings from becoming errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Image.DecompressionBombError as error:
            # Pillow's own limit, 179 megapixels, stands behind ours.
            raise ImageRefused(
                "too-many-pixels", "The picture has over 179 megapixels. Upload a smaller version."
            ) from error
        except MemoryError as error:
            raise refuse_bomb("decoding it ran out of memory") from error
        except _DECODER_ERRORS as error:
            message = str(error) or type(error).__name__
            if any(word in message.lower() for word in _CUT_OFF):
                raise refuse_truncated("its pixels are not complete") from error
            raise refuse_corrupt(f"its pixels cannot be decoded ({message[:200]})") from error


def open_image(data: bytes, pillow_format: str, max_pixels: int) -> Image.Image:
    """The image with its header read and checked and nothing decoded; call it inside `decoding()`.

    `pillow_format` is the one decoder that may be tried (for example "TIFF").
    """
    image = Image.open(io.BytesIO(data), formats=[pillow_format])
    check_pixel_count(*image.size, max_pixels)
    return image


def decode(data: bytes, pillow_format: str, max_pixels: int) -> Image.Image:
    """The wholly decoded image, as stored: neither turned nor colour-converted. Raises ImageRefused."""
    with decoding():
        image = open_image(data, pillow_format, max_pixels)
        image.load()
        return image
