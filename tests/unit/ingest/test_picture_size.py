from __future__ import annotations

import pytest

from assay_ingest.errors import ImageRefused
from assay_ingest.picture_size import read_size
from assay_ingest.sanitise import sanitise_image
from tests.support.pictures import gps_exif, save, store_turned, upright_picture


@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 8])
@pytest.mark.parametrize(
    ("kind", "name"),
    [("JPEG", "a.jpg"), ("PNG", "a.png"), ("WEBP", "a.webp"), ("TIFF", "a.tif"), ("AVIF", "a.avif")],
)
def test_is_that_of_the_sanitised_picture(kind: str, name: str, orientation: int) -> None:
    data = save(store_turned(upright_picture(48, 32), orientation), kind, exif=gps_exif(orientation))
    clean = sanitise_image(data, declared_name=name, max_pixels=10_000)
    assert read_size(data, name) == (clean.width, clean.height) == (48, 32)


def test_refuses_what_is_no_picture() -> None:
    with pytest.raises(ImageRefused):
        read_size(b"hello", "a.jpg")
    with pytest.raises(ImageRefused):
        read_size(b"\xff\xd8\xff", "a.jpg")
