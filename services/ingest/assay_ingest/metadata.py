"""What an image file still tells besides its picture. Written apart from the sanitiser, to check on it.

Two views that share no code with it: what Pillow and libheif report, and a search of the raw bytes for
the signatures of each kind of metadata.
"""

from __future__ import annotations

import io
import re
import warnings

import pi_heif
from PIL import ExifTags, Image

_SIGNATURES: tuple[tuple[str, bytes], ...] = (
    ("Exif", rb"Exif\x00[\x00\xff]"),
    ("XMP", rb"http://ns\.adobe\.com/(?:xap|xmp)|<x:xmpmeta|W5M0MpCehiHzreSzNTczkc9d"),
    ("IPTC", rb"Photoshop 3\.0\x00|8BIM\x04\x04"),
    ("MPF", rb"MPF\x00(?:II\*\x00|MM\x00\*)"),
    ("thumbnail", rb"JFXX\x00"),
    ("ICC profile", rb"ICC_PROFILE\x00"),
    ("C2PA", rb"jumb.{4,24}c2pa"),
)
# Searched only where a container makes them unmistakable: four letters turn up in any large file.
_PNG_EXTRAS = (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME", b"iCCP", b"caBX", b"dSIG", b"sPLT", b"hIST")
_WEBP_EXTRAS = (b"EXIF", b"XMP ", b"ICCP")
_TELLING_TIFF_TAGS = {
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Artist,
    ExifTags.Base.DateTime,
    ExifTags.Base.ImageDescription,
    ExifTags.IFD.Exif,
    ExifTags.IFD.GPSInfo,
}
_INFO_NAMES = {
    "exif": "Exif",
    "xmp": "XMP",
    "photoshop": "IPTC",
    "comment": "comment",
    "icc_profile": "ICC profile",
    "mp": "MPF",
    "mpoffset": "MPF",
    "metadata": "HEIF metadata",
    "thumbnails": "thumbnail",
}


def _from_exif(exif: Image.Exif) -> set[str]:
    found = {"GPS"} if exif.get_ifd(ExifTags.IFD.GPSInfo) else set()
    return found | ({"thumbnail"} if exif.get_ifd(ExifTags.IFD.IFD1) else set())


def _from_heif(data: bytes) -> set[str]:
    info = pi_heif.open_heif(io.BytesIO(data)).info
    exif = Image.Exif()
    exif.load(info.get("exif") or b"")
    return {name for key, name in _INFO_NAMES.items() if info.get(key)} | _from_exif(exif)


def _from_pillow(data: bytes) -> set[str]:
    found: set[str] = set()
    with Image.open(io.BytesIO(data)) as image:
        exif = image.getexif()
        # A TIFF's own layout is read as Exif too; only what says more than the layout counts.
        if exif and (image.format != "TIFF" or set(exif) & _TELLING_TIFF_TAGS):
            found.add("Exif")
        found |= _from_exif(exif)
        found |= {name for key, name in _INFO_NAMES.items() if image.info.get(key)}
        text = getattr(image, "text", None)
        found |= {f"PNG text: {key}" for key in text} if isinstance(text, dict) else set()
        if image.format == "MPO":
            found.add("MPF")
    return found


def _from_bytes(data: bytes) -> set[str]:
    found = {name for name, pattern in _SIGNATURES if re.search(pattern, data, re.DOTALL)}
    if data.startswith(b"\x89PNG"):
        end = data.rfind(b"IEND\xae\x42\x60\x82")
        found |= {f"PNG chunk {kind.decode()}" for kind in _PNG_EXTRAS if _has_png_chunk(data, kind)}
        tail = len(data) - (end + 8)
    elif data.startswith(b"RIFF"):
        found |= {f"WebP chunk {k.decode().strip()}" for k in _WEBP_EXTRAS if _has_webp_chunk(data, k)}
        tail = len(data) - 8 - int.from_bytes(data[4:8], "little")
    elif data.startswith(b"\xff\xd8"):
        # A comment may hide between any two segments; inside scan data FF FE cannot occur.
        if re.search(rb"\xff\xfe\x00", data) or re.search(rb"\xff\xfe[\x01-\xff].", data):
            found.add("comment")
        tail = len(data) - (data.rfind(b"\xff\xd9") + 2)
        if data.count(b"\xff\xd8\xff") > 1:
            found.add("thumbnail")
    else:
        tail = 0
    if tail > 0:
        found.add("trailing bytes")
    return found


def _has_png_chunk(data: bytes, kind: bytes) -> bool:
    """Whether the letters stand where a chunk's type stands: a plausible length before, inside the file."""
    places = (match.start() for match in re.finditer(re.escape(kind), data))
    return any(place + 4 + int.from_bytes(data[place - 4 : place]) + 4 <= len(data) for place in places)


def _has_webp_chunk(data: bytes, kind: bytes) -> bool:
    places = (match.start() for match in re.finditer(re.escape(kind), data))
    return any(
        place % 2 == 0 and place + 8 + int.from_bytes(data[place + 4 : place + 8], "little") <= len(data)
        for place in places
    )


def carries_metadata(data: bytes) -> list[str]:
    """The names of all that the image file holds besides its picture, sorted; empty for a clean file.

    For example `["Exif", "GPS", "trailing bytes"]`. Raises what Pillow raises for what is no image.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        is_heif = data[4:8] == b"ftyp" and not data[8:12].startswith(b"avi")
        return sorted((_from_heif if is_heif else _from_pillow)(data) | _from_bytes(data))
