"""From bytes to pixels: only as many as are needed, upright, with every kind of bad file told apart.

A 12-megapixel JPEG is decoded at half size (libjpeg scales inside the DCT): 45 ms, where the whole takes
130 ms on the same core. Half is what barcodes need; the detector needs less.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from threading import Lock

import cv2
import numpy as np
import numpy.typing as npt
import pi_heif
from PIL import Image, ImageOps, UnidentifiedImageError

from assay_shared.errors import InvalidRequest, TooLarge, UnsupportedMedia
from assay_shared.reduction import find_reduction, read_reduced

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF")
EXTENSIONS = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "HEIF": "heic",
    "AVIF": "avif",
    "TIFF": "tif",
}
"""By Pillow's name of a format. MPO is a JPEG that holds further pictures."""

# The limit is checked here, by the service's setting, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None
Image.init()
pi_heif.register_heif_opener(thumbnails=False)

Pixels = npt.NDArray[np.uint8]


class Whole:
    """A picture at full size, decoded when it is first asked for."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._grey: Pixels | None = None

    def read(self, picture: Picture) -> Pixels:
        """See `read_whole_grey`. Who asks while it is decoded waits for that."""
        with self._lock:
            if self._grey is None:
                self._grey = np.asarray(cv2.cvtColor(decode_whole(picture), cv2.COLOR_RGB2GRAY), np.uint8)
            return self._grey


@dataclass(frozen=True)
class Picture:
    """An upright picture: `pixels` uint8 (h, w, 3) RGB, reduced; `width` and `height` of the whole, in
    pixels; `data` the file, for a second look at full size, and `whole` what that has decoded."""

    pixels: Pixels
    width: int
    height: int
    data: bytes
    whole: Whole = field(default_factory=Whole, init=False, repr=False, compare=False)

    @property
    def scale(self) -> float:
        """Pixels of the whole picture for each reduced pixel (1 or more)."""
        return self.width / int(self.pixels.shape[1])

    @property
    def reduced(self) -> bool:
        """Whether the whole picture has more pixels than `pixels`."""
        return int(self.pixels.shape[1]) < self.width


def decode(data: bytes, max_pixels: int) -> Picture:
    """Decodes a picture at reduced size, by its content alone; the name and type that were sent are ignored.

    Raises UnsupportedMedia (not one of FORMATS), TooLarge (more than `max_pixels`), InvalidRequest
    (empty, truncated or damaged).
    """
    with _open(data, max_pixels) as image:
        width, height = image.size
        pixels = _read(image, find_reduction(width, height))
        if _turned(image):
            width, height = height, width
    return Picture(pixels, width, height, data)


def find_extension(data: bytes) -> str:
    """The ending of a name for a picture that `decode` has read."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return EXTENSIONS[image.format or ""]


def decode_whole(picture: Picture) -> Pixels:
    """All pixels of a picture, upright: uint8 (height, width, 3) RGB. Slow; for what half size missed."""
    with _open(picture.data, max_pixels=picture.width * picture.height) as image:
        return _read(image, 1)


def read_whole_grey(picture: Picture) -> Pixels:
    """All pixels of a picture, upright, grey: uint8 (height, width). Decoded once a picture, for all its
    products, and kept as long as the picture: a byte a pixel, a third of what decoding takes for a moment."""
    return picture.whole.read(picture)


def _open(data: bytes, max_pixels: int) -> Image.Image:
    if not data:
        raise InvalidRequest("The picture is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise UnsupportedMedia(
            "The file is no picture that can be read here; send JPEG, PNG, WebP, HEIC, AVIF or TIFF"
        ) from error
    except Exception as error:  # What Pillow's readers raise for damaged files has no common base.
        raise InvalidRequest(f"The picture is damaged: {error}") from error
    if image.width * image.height > max_pixels:
        raise TooLarge(
            f"The picture has {image.width} x {image.height} pixels; at most {max_pixels} are taken"
        )
    return image


def _read(image: Image.Image, reduction: int) -> Pixels:
    try:
        orientation = image.getexif().get(0x0112, 1)
        rgb = read_reduced(image, reduction, _to_rgb)
        if orientation != 1:
            rgb.getexif()[0x0112] = orientation
            rgb = ImageOps.exif_transpose(rgb)
        return np.asarray(rgb)
    except Exception as error:
        raise InvalidRequest(
            f"The picture is truncated or damaged: {error}. Send the file as the camera made it"
        ) from error


def _to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB of any mode; 16-bit grey is scaled, transparency is put on white."""
    if image.mode.startswith(("I;16", "I", "F")):
        wide = np.asarray(image).astype(np.float32)
        image = Image.fromarray((wide / max(1.0, float(wide.max())) * 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _turned(image: Image.Image) -> bool:
    return image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
