"""What a file is, by its first bytes, and whether its name agrees."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

from assay_ingest.errors import ImageRefused

Format = Literal["jpeg", "png", "webp", "tiff", "heif", "avif"]

EXTENSIONS: dict[str, Format] = {
    "jpg": "jpeg",
    "jpeg": "jpeg",
    "jpe": "jpeg",
    "jfif": "jpeg",
    "png": "png",
    "webp": "webp",
    "tif": "tiff",
    "tiff": "tiff",
    "heic": "heif",
    "heif": "heif",
    "avif": "avif",
}
ACCEPTED_NAMES = ", ".join(f".{extension}" for extension in EXTENSIONS)

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF"),
    (b"BM", "a BMP"),
    (b"8BPS", "a Photoshop document"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000"),
    (b"<", "a text file (HTML, SVG or XML)"),
    (b"{", "a JSON file"),
)


def declared_format(name: str) -> Format | None:
    """The format that a file name's extension declares, or None for a name without an image's extension."""
    return EXTENSIONS.get(PurePosixPath(name).suffix.lower().removeprefix("."))


def _sniff_ftyp(data: bytes) -> Format | None:
    """HEIF or AVIF by the brands of the leading `ftyp` box (ISO/IEC 23008-12, AVIF 1.1 section 6)."""
    end = min(int.from_bytes(data[:4], "big"), 256, len(data))
    major = data[8:12]
    brands = {major} | {data[at : at + 4] for at in range(16, end - 3, 4)}
    if major in _AVIF_BRANDS or (brands & _AVIF_BRANDS and major in {b"mif1", b"msf1"}):
        return "avif"
    return "heif" if brands & _HEIF_BRANDS else None


def sniff_format(data: bytes) -> Format | None:
    """The image format that the first bytes show, or None when it is none that is taken."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if data[:4] in {b"II*\x00", b"MM\x00*"}:
        return "tiff"
    if data[4:8] == b"ftyp":
        return _sniff_ftyp(data)
    return None


def identify(data: bytes, declared_name: str) -> Format:
    """The format of an image whose content and name agree.

    A name without an image's extension is refused even if the content is an image: annotations are paired
    with images by name, and `photo` beside `photo.json` would be a guess.

    Raises ImageRefused `empty`, `unnamed`, `unsupported-format` or `mislabelled`.
    """
    if not data:
        raise ImageRefused("empty", "The file is empty (0 bytes). Upload it again.")
    declared, found = declared_format(declared_name), sniff_format(data)
    if declared is None:
        raise ImageRefused(
            "unnamed",
            f"The name has no image extension. Give it the one that fits the content: {ACCEPTED_NAMES}.",
        )
    if found is None:
        seen = next(
            (what for magic, what in _FOREIGN if data.startswith(magic)), "no picture that is known here"
        )
        raise ImageRefused(
            "unsupported-format",
            f"The content is {seen}, though the name says {declared}. "
            "Upload a JPEG, PNG, WebP, HEIC, AVIF or TIFF.",
        )
    if found != declared:
        raise ImageRefused(
            "mislabelled",
            f"The name says {declared} but the content is {found}. Rename the file to fit its content.",
        )
    return found
