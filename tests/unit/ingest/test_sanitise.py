"""One image's bytes in, a clean image or a refusal out: every format, every orientation, every bad input."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from assay_ingest.errors import ImageRefused, check_file_size
from assay_ingest.metadata import carries_metadata
from assay_ingest.phash import verify_pixels
from assay_ingest.sanitise import CleanImage, sanitise_image
from tests.support.pictures import (
    CORNERS,
    gps_exif,
    jpeg_full_of_metadata,
    odd_press_profile,
    png_chunk,
    save,
    store_turned,
    upright_picture,
    wide_gamut_profile,
    with_png_chunks,
    with_webp_chunks,
)

FIXTURES = Path(__file__).parent / "fixtures"
LIMIT = 1_000_000


def clean(data: bytes, name: str, max_pixels: int = LIMIT) -> CleanImage:
    found = sanitise_image(data, declared_name=name, max_pixels=max_pixels)
    verify_pixels(found.data)
    return found


def pixels(data: bytes) -> np.ndarray:
    with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
        return np.asarray(image).astype(np.int16)


def refusal(data: bytes, name: str, max_pixels: int = LIMIT) -> ImageRefused:
    with pytest.raises(ImageRefused) as caught:
        clean(data, name, max_pixels)
    return caught.value


def photo(kind: str, orientation: int = 1, size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    return save(
        store_turned(upright_picture(*size), orientation), kind, exif=gps_exif(orientation), **options
    )


KINDS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 90},
    "PNG": {},
    "WEBP": {"quality": 90},
    "AVIF": {"quality": 90, "speed": 10},
    "TIFF": {},
}
NAMES = {"JPEG": "a.JPG", "PNG": "a.png", "WEBP": "a.webp", "AVIF": "a.avif", "TIFF": "a.tiff"}


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    orientation=st.integers(1, 8),
    width=st.integers(16, 70),
    height=st.integers(16, 70),
)
def test_every_format_stands_upright_and_bare(kind: str, orientation: int, width: int, height: int) -> None:
    data = photo(kind, orientation, (width, height), **KINDS[kind])
    assert {"Exif", "GPS"} <= set(carries_metadata(data))
    found = clean(data, NAMES[kind])
    shown = pixels(found.data)
    assert (found.width, found.height) == (width, height) == shown.shape[1::-1]
    assert carries_metadata(found.data) == []
    assert found.sha256 == hashlib.sha256(found.data).hexdigest()
    corners = [shown[y, x] for y in (3, -4) for x in (3, -4)]
    assert np.abs(np.array(corners) - np.array(CORNERS)).max() < 60


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"restart_marker_blocks": 3}, {"subsampling": 0}, {"keep_rgb": True}],
)
def test_upright_jpeg_keeps_its_pixels_bit_for_bit(options: dict[str, Any]) -> None:
    data = jpeg_full_of_metadata(upright_picture(75, 53), **options)
    assert set(carries_metadata(data)) >= {
        "Exif", "GPS", "XMP", "IPTC", "comment", "thumbnail", "MPF", "trailing bytes",
    }  # fmt: skip
    found = clean(data, "photo.jpeg")
    assert (found.method, found.format, found.extension) == ("segments", "jpeg", "jpg")
    assert carries_metadata(found.data) == []
    assert np.array_equal(pixels(found.data), pixels(data))
    assert clean(found.data, "again.jpg").data == found.data


def test_jpeg_of_whole_mcus_is_turned_without_loss() -> None:
    assert clean(photo("JPEG", 6, (64, 48)), "a.jpg").method == "lossless-rotation"


def test_jpeg_that_stores_rgb_keeps_its_colours_when_turned() -> None:
    found = clean(photo("JPEG", 6, (64, 48), keep_rgb=True, quality=95), "a.jpg")
    assert found.method == "lossless-rotation"
    assert np.abs(pixels(found.data)[4, 4] - CORNERS[0]).max() < 40


def test_jpeg_with_ragged_edges_is_encoded_again_near_its_source() -> None:
    data = photo("JPEG", 6, (75, 53), quality=95)
    found = clean(data, "a.jpg")
    assert found.method == "re-encoded"
    turned = np.rot90(pixels(data), -1)
    assert np.abs(pixels(found.data) - turned).mean() < 3


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("WEBP", {"quality": 80})]
)
def test_upright_png_and_webp_keep_their_pixels(kind: str, options: dict[str, Any]) -> None:
    data = photo(kind, **options)
    found = clean(data, NAMES[kind])
    assert (found.method, found.format) == ("segments", kind.lower())
    assert carries_metadata(found.data) == []
    assert np.array_equal(pixels(found.data), pixels(data))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_lossless_formats_stay_lossless_when_turned(kind: str) -> None:
    upright = upright_picture(40, 30)
    options = {"lossless": True} if kind == "WEBP" else {}
    data = save(store_turned(upright, 5), kind, exif=gps_exif(5), **options)
    found = clean(data, NAMES[kind])
    assert found.format == "png"
    assert np.array_equal(pixels(found.data), np.asarray(upright))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_wide_gamut_becomes_srgb(kind: str) -> None:
    green = Image.new("RGB", (32, 32), (60, 180, 60))
    found = clean(save(green, kind, icc_profile=wide_gamut_profile(), **KINDS[kind]), NAMES[kind])
    assert carries_metadata(found.data) == []
    red, middle, blue = pixels(found.data)[16, 16]
    # Display P3 (60, 180, 60) lies near the edge of sRGB: red almost vanishes, green grows.
    assert red < 25
    assert middle > 180
    assert blue < 55


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_srgb_profile_is_dropped_and_the_pixels_stay(kind: str) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = save(upright_picture(32, 32), kind, icc_profile=icc)
    assert "ICC profile" in carries_metadata(data)
    found = clean(data, NAMES[kind])
    assert found.method == "segments"
    assert carries_metadata(found.data) == []
    assert np.array_equal(pixels(found.data), pixels(data))


def test_a_broken_profile_is_dropped() -> None:
    found = clean(save(upright_picture(32, 32), "JPEG", icc_profile=b"no profile" * 30), "a.jpg")
    assert found.method == "segments"
    assert b"ICC_PROFILE" not in found.data


def test_cmyk_jpeg_becomes_rgb() -> None:
    cmyk = Image.new("CMYK", (32, 32), (255, 0, 0, 0))
    plain = clean(save(cmyk, "JPEG"), "a.jpg")
    assert pixels(plain.data)[16, 16].tolist() == pytest.approx([0, 255, 255], abs=8)
    printed = clean(save(cmyk, "JPEG", icc_profile=odd_press_profile()), "a.jpg")
    red, green, blue = pixels(printed.data)[16, 16]
    assert red > 200
    assert max(green, blue) < 80


def test_cmyk_tiff_becomes_rgb() -> None:
    found = clean(save(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "TIFF"), "a.tif")
    assert pixels(found.data)[16, 16].tolist() == pytest.approx([255, 0, 0], abs=8)


def png_of(width: int, height: int, bits: int, colour_type: int, rows: bytes, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + b"".join(chunks) + png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + png_chunk(b"IEND", b"")


def test_sixteen_bit_pictures_become_eight() -> None:
    grey = png_of(2, 1, 16, 0, b"\x00" + struct.pack(">HH", 0x8012, 0xFFFF))
    colour = png_of(1, 1, 16, 2, b"\x00" + struct.pack(">HHH", 0x1000, 0x8000, 0xF000))
    assert pixels(clean(grey, "a.png").data).tolist() == [[0x80, 0xFF]]
    assert pixels(clean(colour, "a.png").data).tolist() == [[[0x10, 0x80, 0xF0]]]
    tiff = save(Image.fromarray(np.full((8, 8), 0x4000, dtype=np.uint16)), "TIFF")
    assert pixels(clean(tiff, "a.tif").data)[4, 4] == pytest.approx(0x40, abs=2)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_transparency_is_laid_on_white_and_hides_nothing(kind: str) -> None:
    picture = Image.new("RGBA", (32, 32), (200, 0, 0, 0))
    picture.paste((0, 0, 200, 255), (0, 0, 16, 32))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    shown = pixels(clean(save(picture, kind, **options), NAMES[kind]).data)
    assert shown.shape[2] == 3
    assert shown[16, 28].tolist() == pytest.approx([255, 255, 255], abs=3)
    assert shown[16, 4].tolist() == pytest.approx([0, 0, 200], abs=6)


def test_palette_png_with_a_transparent_colour_is_flattened() -> None:
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    found = clean(save(picture, "PNG", transparency=1), "a.png")
    assert pixels(found.data)[4, 4].tolist() == [255, 255, 255]


def test_burst_gives_its_primary_picture() -> None:
    found = clean((FIXTURES / "burst.heic").read_bytes(), "burst.HEIC")
    red, green, blue = pixels(found.data)[40, 50]
    assert green > 150 > max(red, blue)


def test_heic_is_turned_once_and_loses_its_place() -> None:
    data = (FIXTURES / "turned.heic").read_bytes()
    assert "Exif" in carries_metadata(data)
    found = clean(data, "a.heif")
    assert (found.format, found.width, found.height) == ("jpeg", 48, 64)
    assert carries_metadata(found.data) == []
    shown = pixels(found.data)
    assert shown[8, 40].min() > 230
    assert shown[8, 8].tolist() == pytest.approx([200, 30, 30], abs=25)


def frames(kind: str) -> bytes:
    first = upright_picture(16, 16)
    return save(first, kind, save_all=True, append_images=[upright_picture(16, 16, seed=1)], duration=100)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_animated_files_are_refused(kind: str) -> None:
    assert refusal(frames(kind), NAMES[kind]).code == "animated"


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"", "a.jpg", "empty"),
        (save(upright_picture(16, 16), "PNG"), "a.jpg", "mislabelled"),
        (save(upright_picture(16, 16), "AVIF", speed=10), "a.heic", "mislabelled"),
        (save(upright_picture(16, 16), "JPEG"), "photo", "unnamed"),
        (save(upright_picture(16, 16), "JPEG"), "photo.txt", "unnamed"),
        (save(upright_picture(16, 16), "GIF"), "a.png", "unsupported-format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.png", "unsupported-format"),
        (b"\xff\xd8\xff\xd9", "a.jpg", "corrupt"),
        (save(Image.fromarray(np.ones((4, 4), dtype=np.float32)), "TIFF"), "a.tif", "corrupt"),
    ],
)
def test_refusals_have_a_code_and_say_what_to_do(data: bytes, name: str, code: str) -> None:
    refused = refusal(data, name)
    assert refused.code == code
    assert refused.detail.endswith(".")
    assert len(refused.detail) > 40


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.jpe", "folder.v2/a.jfif"])
def test_jpeg_has_four_names(name: str) -> None:
    assert clean(save(upright_picture(16, 16), "JPEG"), name).extension == "jpg"


def claim_size(kind: str) -> bytes:
    """A small file of the kind whose header claims 60,000 x 60,000 pixels (WebP: 16,384 squared)."""
    if kind == "PNG":
        return png_of(60_000, 60_000, 8, 2, b"")
    small = save(upright_picture(16, 16), kind, **({"lossless": True} if kind == "WEBP" else {}))
    if kind == "JPEG":
        at = small.index(b"\xff\xc0") + 5
        return small[:at] + struct.pack(">HH", 60_000, 60_000) + small[at + 4 :]
    if kind == "WEBP":
        return small[:21] + b"\xff\xff\xff\x0f" + small[25:]
    width = small.index(struct.pack("<HHII", 256, 4, 1, 16))
    height = small.index(struct.pack("<HHII", 257, 4, 1, 16))
    patched = bytearray(small)
    for at in (width, height):
        struct.pack_into("<I", patched, at + 8, 60_000)
    return bytes(patched)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_header_that_claims_too_many_pixels_is_refused_before_decoding(kind: str) -> None:
    refused = refusal(claim_size(kind), NAMES[kind], 100_000_000)
    assert refused.code == "too-many-pixels"
    assert "megapixels" in refused.detail


@pytest.mark.parametrize("name", ["burst.heic", "turned.heic"])
def test_heic_obeys_the_pixel_limit(name: str) -> None:
    assert refusal((FIXTURES / name).read_bytes(), name, 1000).code == "too-many-pixels"


def test_pictures_over_pillows_own_limit_pass_when_ours_allows_them() -> None:
    big = png_of(10_000, 9_000, 1, 0, bytes(1251 * 9_000))
    assert clean(big, "a.png", 100_000_000).width == 10_000


def test_png_text_bombs_are_dropped_unread() -> None:
    bomb = zlib.compress(bytes(64 << 20), 9)
    data = with_png_chunks(
        save(upright_picture(16, 16), "PNG"),
        png_chunk(b"zTXt", b"Comment\x00\x00" + bomb),
        png_chunk(b"iTXt", b"Comment\x00\x01\x00\x00\x00" + bomb),
        png_chunk(b"tEXt", b"Author\x00Somebody"),
        png_chunk(b"tIME", bytes(7)),
    )
    found = clean(data, "a.png")
    assert found.method == "segments"
    assert carries_metadata(found.data) == []


def test_png_profile_bomb_is_refused() -> None:
    profile = png_chunk(b"iCCP", b"p\x00\x00" + zlib.compress(bytes(64 << 20), 9))
    assert refusal(with_png_chunks(save(upright_picture(16, 16), "PNG"), profile), "a.png").code == (
        "decompression-bomb"
    )


def test_jpeg_of_endless_scans_is_refused() -> None:
    data = save(upright_picture(64, 64), "JPEG", progressive=True)
    first = data.index(b"\xff\xda")
    scan = data[first : data.index(b"\xff\xc4", first)]
    assert refusal(data[:first] + scan * 150 + data[first:], "a.jpg").code == "decompression-bomb"


def test_webp_chunks_of_any_name_are_dropped() -> None:
    data = with_webp_chunks(
        save(upright_picture(16, 16), "WEBP"), (b"JUNK", b"secret"), (b"XMP ", b"<x:xmpmeta")
    )
    assert b"secret" not in clean(data, "a.webp").data


def test_png_with_a_wrong_checksum_is_corrupt() -> None:
    data = bytearray(save(upright_picture(16, 16), "PNG"))
    data[60] ^= 1
    assert refusal(bytes(data), "a.png").code == "corrupt"


def test_files_of_100_megabytes_are_refused_by_their_size() -> None:
    with pytest.raises(ImageRefused, match=r"100\.0 MB") as caught:
        check_file_size(100_000_000, 50_000_000)
    assert caught.value.code == "too-large"
    check_file_size(50_000_000, 50_000_000)
    with pytest.raises(ImageRefused):
        check_file_size(0, 10)


def test_a_100_megabyte_tail_is_dropped() -> None:
    data = save(upright_picture(16, 16), "JPEG")
    assert len(clean(data + bytes(100_000_000), "a.jpg").data) <= len(data)


WHOLE = {NAMES[kind]: photo(kind, **options) for kind, options in KINDS.items()} | {
    "p.jpg": photo("JPEG", 6, progressive=True),
    "t.heic": (FIXTURES / "turned.heic").read_bytes(),
}


# Decoding a HEIC starts a process: the open-ended tests would take minutes with it.
FAST = sorted(set(WHOLE) - {"t.heic"})


@pytest.mark.parametrize("part", [0.05, 0.5, 0.8, 0.97])
def test_truncated_heic_is_refused(part: float) -> None:
    whole = WHOLE["t.heic"]
    assert refusal(whole[: int(part * len(whole))], "t.heic").code in {"truncated", "corrupt"}


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(FAST), part=st.floats(0, 1, exclude_max=True))
def test_truncated_files_are_refused(name: str, part: float) -> None:
    whole = WHOLE[name]
    refused = refusal(whole[: int(part * len(whole))], name)
    assert refused.code in {"truncated", "corrupt", "empty", "unsupported-format"}


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(FAST), data=st.data())
def test_damaged_files_are_refused_or_made_clean(name: str, data: st.DataObject) -> None:
    damaged = bytearray(WHOLE[name])
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=6)):
        damaged[place] = data.draw(st.integers(0, 255))
    try:
        found = clean(bytes(damaged), name)
    except ImageRefused:
        return
    assert not {"Exif", "GPS", "XMP"} & set(carries_metadata(found.data))


def test_a_heic_that_crashes_its_decoder_is_refused() -> None:
    data = bytearray(WHOLE["t.heic"])
    for place, value in ((66, 136), (177, 226), (298, 1)):
        data[place] = value
    assert refusal(bytes(data), "t.heic").code == "corrupt"


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(FAST),
    head=st.integers(0, 60),
    tail=st.binary(max_size=400),
)
def test_random_bytes_are_refused(name: str, head: int, tail: bytes) -> None:
    refusal(WHOLE[name][:head] + tail, name)
