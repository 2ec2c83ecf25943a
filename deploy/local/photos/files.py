"""Photos as files: every format a phone writes, with the Exif and GPS that Assay has to strip."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from PIL import ExifTags, Image

from deploy.local.photos.render import Photo

FORMATS = {"jpeg": "jpg", "png": "png", "webp": "webp", "avif": "avif"}
"""The formats and the endings of their file names."""

_Turn = Image.Transpose
_STORED = {
    1: None,
    2: _Turn.FLIP_LEFT_RIGHT,
    3: _Turn.ROTATE_180,
    4: _Turn.FLIP_TOP_BOTTOM,
    5: _Turn.TRANSPOSE,
    6: _Turn.ROTATE_90,
    7: _Turn.TRANSVERSE,
    8: _Turn.ROTATE_270,
}
"""How upright pixels are turned before they are stored under an Exif orientation (Exif 2.32, 4.6.4 A)."""


def encode_photo(
    photo: Photo, format: str, *, orientation: int = 1, gps: bool = True, quality: int = 90
) -> bytes:
    """Write a photo as "jpeg", "png", "webp" or "avif", with Exif (make, model, date; `gps`: a place).

    JPEG pixels are stored turned, so that applying `orientation` (1 to 8) gives the upright picture; the
    other formats take orientation 1 only. JPEG carries an XMP packet with the place as well.
    Raises ValueError for an unknown format and for an orientation that the format does not take.
    """
    if format not in FORMATS:
        raise ValueError(f"unknown format {format!r}: use one of {', '.join(FORMATS)}")
    if orientation not in _STORED or (orientation != 1 and format != "jpeg"):
        raise ValueError(
            f"orientation {orientation} cannot be stored in {format}: 1 to 8 for jpeg, 1 for others"
        )
    image = Image.fromarray(photo.pixels)
    turn = _STORED[orientation]
    stored = image if turn is None else image.transpose(turn)
    options: dict[str, Any] = {"exif": _exif(orientation, gps).tobytes()}
    match format:
        case "jpeg":
            options |= {"quality": quality, "subsampling": "4:2:0"}
            if gps:
                options["xmp"] = _xmp_place()
        case "png":
            options |= {"compress_level": 3}
        case "webp":
            options |= {"quality": quality, "method": 2}
        case _:
            options |= {"quality": min(quality, 85), "speed": 9, "max_threads": 1}
    file = BytesIO()
    stored.save(file, format.upper(), **options)
    return file.getvalue()


def annotation_json(photo: Photo, file: str, labels: Sequence[str]) -> dict[str, Any]:
    """Return the annotation of a photo stored as `file`: AWS's object detection JSON.

    Boxes are absolute pixels of the upright picture; class ids are places in `labels`.
    Raises ValueError when a box has a label that is not among `labels`.
    """
    places = {label: place for place, label in enumerate(labels)}
    unknown = sorted({box.label for box in photo.boxes} - set(places))
    if unknown:
        raise ValueError(f"boxes of {file} have labels that were not given: {', '.join(unknown)}")
    height, width = photo.pixels.shape[:2]
    boxes = [
        {
            "class_id": places[box.label],
            "left": box.left,
            "top": box.top,
            "width": box.width,
            "height": box.height,
        }
        for box in photo.boxes
    ]
    return {
        "file": file,
        "image_size": [{"width": width, "height": height, "depth": 3}],
        "annotations": boxes,
        "categories": [{"class_id": place, "name": label} for label, place in places.items()],
    }


def _exif(orientation: int, gps: bool) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Demo Phones"
    exif[ExifTags.Base.Model] = "Demo Phone 3"
    exif[ExifTags.Base.Software] = "Demo Camera 1.0"
    exif[ExifTags.Base.DateTime] = "2026:11:02 10:24:31"
    exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {
            ExifTags.Base.DateTimeOriginal: "2026:11:02 10:24:31",
            ExifTags.Base.UserComment: b"ASCII\0\0\0at home",
        }
    )
    if gps:
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(
            {
                ExifTags.GPS.GPSVersionID: b"\x02\x03\x00\x00",
                ExifTags.GPS.GPSLatitudeRef: "N",
                ExifTags.GPS.GPSLatitude: (52.0, 22.0, 12.34),
                ExifTags.GPS.GPSLongitudeRef: "E",
                ExifTags.GPS.GPSLongitude: (4.0, 53.0, 42.6),
                ExifTags.GPS.GPSDateStamp: "2026:11:02",
            }
        )
    return exif


def _xmp_place() -> bytes:
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="52,22.2N" '
        b'exif:GPSLongitude="4,53.7E"/></rdf:RDF></x:xmpmeta>'
    )
