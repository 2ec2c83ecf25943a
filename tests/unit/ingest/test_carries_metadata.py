"""The witness against the sanitiser must itself see every kind of metadata."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from assay_ingest.metadata import carries_metadata
from tests.support.pictures import (
    gps_exif,
    jpeg_full_of_metadata,
    png_chunk,
    save,
    segment,
    upright_picture,
    with_png_chunks,
    with_webp_chunks,
)

PICTURE = upright_picture(24, 24)
JPEG, PNG, WEBP = (save(PICTURE, kind) for kind in ("JPEG", "PNG", "WEBP"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_bare_picture_carries_nothing(kind: str) -> None:
    assert carries_metadata(save(PICTURE, kind)) == []


def test_noise_is_not_taken_for_metadata() -> None:
    noise = np.random.default_rng(3).integers(0, 255, (500, 700, 3), dtype=np.uint8)
    for kind, options in (("JPEG", {"quality": 98}), ("PNG", {}), ("WEBP", {"quality": 98})):
        assert carries_metadata(save(Image.fromarray(noise), kind, **options)) == []


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (save(PICTURE, "JPEG", exif=gps_exif()), "GPS"),
        (save(PICTURE, "PNG", exif=gps_exif()), "GPS"),
        (save(PICTURE, "WEBP", exif=gps_exif()), "GPS"),
        (save(PICTURE, "AVIF", exif=gps_exif(), speed=10), "GPS"),
        (save(PICTURE, "TIFF", exif=gps_exif()), "GPS"),
        (JPEG[:2] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>") + JPEG[2:], "XMP"),
        (JPEG[:2] + segment(0xED, b"Photoshop 3.0\x008BIM") + JPEG[2:], "IPTC"),
        (JPEG[:2] + segment(0xFE, b"hello") + JPEG[2:], "comment"),
        (JPEG[:2] + segment(0xFE, b"long " * 200) + JPEG[2:], "comment"),
        (JPEG[:2] + segment(0xE2, b"ICC_PROFILE\x00\x01\x01nothing") + JPEG[2:], "ICC profile"),
        (JPEG + b"tail", "trailing bytes"),
        (jpeg_full_of_metadata(PICTURE), "thumbnail"),
        (with_png_chunks(PNG, png_chunk(b"tEXt", b"Author\x00Me")), "PNG chunk tEXt"),
        (with_png_chunks(PNG, png_chunk(b"tIME", bytes(7))), "PNG chunk tIME"),
        (PNG + b"tail", "trailing bytes"),
        (with_webp_chunks(WEBP, (b"XMP ", b"<x:xmpmeta/>")), "WebP chunk XMP"),
        (WEBP + b"tail", "trailing bytes"),
    ],
)
def test_each_kind_is_seen(data: bytes, kind: str) -> None:
    assert kind in carries_metadata(data)
