"""Colour: everything that is stored is sRGB, without a profile, without transparency, 8 bits a channel."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

MAX_PROFILE_BYTES = 4 << 20
"""Real profiles have 0.5 KB to 2 MB (CMYK press profiles); anything larger is not a profile."""

# A profile is sRGB when no test colour moves by more than this many of 255 levels: rounding in the
# profile's curves moves colours by 1 or 2, the nearest other space in use (Display P3) by over 20.
_SRGB_TOLERANCE = 3
_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _test_colours(mode: str) -> Image.Image:
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3))


@lru_cache(maxsize=32)
def moves_colours(icc: bytes, mode: str) -> bool:
    """Whether showing pixels of `mode` (L or RGB) by this profile differs from showing them as sRGB.

    A profile that cannot be read, or is for another kind of pixels, changes nothing: viewers ignore it too.
    """
    colours = _test_colours(mode)
    shown = _convert(colours, icc)
    if shown is None:
        return False
    before = np.asarray(colours.convert("RGB"), dtype=np.int16)
    return bool(np.abs(np.asarray(shown, dtype=np.int16) - before).max() > _SRGB_TOLERANCE)


def _convert(image: Image.Image, icc: bytes) -> Image.Image | None:
    """The image in sRGB, or None when the profile is unreadable or is for another kind of pixels."""
    if len(icc) > MAX_PROFILE_BYTES:
        return None
    try:
        return ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(icc)),
            _SRGB,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _flatten(image: Image.Image) -> Image.Image:
    """The image on white: what a person sees on a page, and nothing of what was hidden under transparency."""
    rgba = image.convert("RGBA")
    if rgba.getchannel("A").getextrema() == (255, 255):
        return rgba.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """A 16-bit grey image reduced to its high byte, as PNG's specification (section 13.12) allows."""
    return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))


def to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """The decoded image as 8-bit sRGB of mode L or RGB.

    Transparency is laid on white, 16 bits become 8, CMYK and others are converted by their profile `icc`
    where one is embedded and fits. Raises ValueError for pixels that have no agreed meaning as colours
    (floating point, 32-bit).
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        image = _to_eight_bits(image)
    if image.mode in {"F", "I"}:
        raise ValueError(f"pixels of mode {image.mode} are measurements, not colours")
    if image.mode == "CMYK":
        return (_convert(image, icc) if icc else None) or image.convert("RGB")
    if image.has_transparency_data:
        image = _flatten(image)
    elif image.mode in {"1", "L"}:
        image = image.convert("L")
    else:
        image = image.convert("RGB")
    if icc and moves_colours(icc, image.mode):
        return _convert(image, icc) or image
    return image
