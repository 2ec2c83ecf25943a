"""Why an image is refused. Every refusal ends in quarantine with its code and its message."""

from __future__ import annotations

from typing import Literal

from assay_shared.errors import AssayError

RefusalCode = Literal[
    "truncated",
    "empty",
    "mislabelled",
    "unnamed",
    "too-many-pixels",
    "decompression-bomb",
    "animated",
    "unsupported-format",
    "corrupt",
    "too-large",
]


class ImageRefused(AssayError):
    """An uploaded image cannot become a clean copy; the original belongs into quarantine.

    `code` is a stable slug for programs, `detail` says to a person what was wrong and what to do.
    """

    type = "image-refused"
    title = "The image was refused"
    status = 422

    def __init__(self, code: RefusalCode, detail: str) -> None:
        super().__init__(detail, code=code)
        self.code: RefusalCode = code


def refuse_truncated(what: str) -> ImageRefused:
    """The refusal of a file that ends too early; `what` names the part that is missing."""
    return ImageRefused("truncated", f"The file is cut off: {what}. Upload it again from the original.")


def refuse_corrupt(what: str) -> ImageRefused:
    """The refusal of a file whose content is damaged; `what` names the damage."""
    return ImageRefused("corrupt", f"The file is damaged: {what}. Export or take the picture again.")


def refuse_animated(what: str) -> ImageRefused:
    """The refusal of a moving picture."""
    return ImageRefused("animated", f"This is {what}, not one picture. Upload a single still image.")


def refuse_bomb(what: str) -> ImageRefused:
    """The refusal of a file that unpacks to absurdly more than it holds."""
    return ImageRefused(
        "decompression-bomb", f"The file unpacks to far more than a picture needs: {what}. Export it again."
    )


def check_pixel_count(width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture that has no area or more than `max_pixels` pixels, before anything is decoded.

    Raises ImageRefused `corrupt` or `too-many-pixels`.
    """
    if width <= 0 or height <= 0:
        raise refuse_corrupt(f"its header gives a size of {width} x {height} pixels")
    if width * height > max_pixels:
        raise ImageRefused(
            "too-many-pixels",
            f"The picture has {width} x {height} pixels ({width * height / 1e6:.1f} megapixels); at most "
            f"{max_pixels / 1e6:.1f} megapixels are taken. Upload a smaller version.",
        )


def check_file_size(size: int, max_bytes: int) -> None:
    """Refuse a file of `size` bytes when it is empty or larger than `max_bytes`, before it is read.

    Raises ImageRefused `empty` or `too-large`.
    """
    if size == 0:
        raise ImageRefused("empty", "The file is empty (0 bytes). Upload it again.")
    if size > max_bytes:
        raise ImageRefused(
            "too-large",
            f"The file has {size / 1e6:.1f} MB; at most {max_bytes / 1e6:.1f} MB are taken. "
            "Upload a smaller version.",
        )
