from __future__ import annotations

import contextlib
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from assay_inference.pictures import decode, decode_whole, read_whole_grey
from assay_shared.errors import InvalidRequest, TooLarge, UnsupportedMedia
from tests.support.pictures import CORNERS, gps_exif, save, store_turned, upright_picture

LIMIT = 100_000_000


def corner_colours(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> list[tuple[int, ...]]:
    height, width = pixels.shape[:2]
    places = [(y, x) for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]
    return [
        tuple(int(value) for value in pixels[y - 3 : y + 4, x - 3 : x + 4].mean((0, 1))) for y, x in places
    ]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_come_out_upright(orientation: int) -> None:
    stored = store_turned(upright_picture(300, 200), orientation)
    picture = decode(save(stored, "JPEG", exif=gps_exif(orientation), quality=95), LIMIT)
    assert (picture.width, picture.height) == (300, 200)
    np.testing.assert_allclose(corner_colours(picture.pixels), CORNERS, atol=12)
    np.testing.assert_allclose(corner_colours(decode_whole(picture)), CORNERS, atol=12)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "TIFF", "JPEG", "MPO"])
def test_every_kind_is_read(kind: str) -> None:
    picture = decode(save(upright_picture(120, 80), kind), LIMIT)
    assert picture.pixels.shape == (80, 120, 3)
    np.testing.assert_allclose(corner_colours(picture.pixels), CORNERS, atol=15)


@pytest.mark.parametrize(
    ("name", "size", "white", "channel"), [("turned.heic", (48, 64), 1, 0), ("burst.heic", (64, 48), 0, 1)]
)
def test_heic_of_phones_is_read_upright_and_its_primary_picture_counts(
    name: str, size: tuple[int, int], white: int, channel: int
) -> None:
    picture = decode((Path(__file__).parents[1] / "ingest" / "fixtures" / name).read_bytes(), LIMIT)
    assert (picture.width, picture.height) == size
    corners = corner_colours(picture.pixels)
    assert min(corners[white]) > 220
    assert all(np.argmax(colour) == channel for place, colour in enumerate(corners) if place != white)


def test_a_picture_is_decoded_whole_once_however_many_threads_ask() -> None:
    picture = decode(save(upright_picture(2800, 2400), "JPEG"), LIMIT)
    with ThreadPoolExecutor(4) as threads:
        asked = list(threads.map(lambda _: read_whole_grey(picture), range(8)))
    assert asked[0].shape == (2400, 2800)
    assert all(one is asked[0] for one in asked)
    again = decode(picture.data, LIMIT)
    assert read_whole_grey(again) is not asked[0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_large_pictures_are_read_reduced(kind: str) -> None:
    picture = decode(save(upright_picture(2800, 2400), kind, compress_level=1), LIMIT)
    assert picture.pixels.shape == (1200, 1400, 3)
    assert (picture.width, picture.height, picture.scale) == (2800, 2400, 2.0)
    np.testing.assert_allclose(corner_colours(picture.pixels), CORNERS, atol=12)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = upright_picture(64, 48)
    if mode == "I;16":
        grey = np.asarray(image.convert("L")).astype(np.uint16) * 256
        data = save(Image.fromarray(grey), "PNG")
    else:
        data = save(image.convert(mode), "TIFF" if mode == "CMYK" else "PNG")
    pixels = decode(data, LIMIT).pixels
    assert pixels.shape == (48, 64, 3)
    assert pixels.dtype == np.uint8
    assert pixels.max() > 150 > pixels.min()


def test_what_is_transparent_is_white() -> None:
    pixels = decode(save(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), "PNG"), LIMIT).pixels
    assert pixels.min() == 255


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    data = save(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert tuple(decode(data, LIMIT).pixels[20, 20]) == (255, 0, 0)


def test_bad_files_are_told_apart() -> None:
    jpeg = save(upright_picture(400, 300), "JPEG")
    with pytest.raises(InvalidRequest, match="empty"):
        decode(b"", LIMIT)
    for truncated in (jpeg[: len(jpeg) // 2], save(upright_picture(400, 300), "PNG")[:-4000]):
        with pytest.raises(InvalidRequest, match="truncated or damaged"):
            decode(truncated, LIMIT)
    for other in (b"%PDF-1.7 ...", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a" + bytes(100)):
        with pytest.raises(UnsupportedMedia, match="send JPEG"):
            decode(other, LIMIT)
    with pytest.raises(TooLarge, match=r"400 x 300 pixels; at most 100000"):
        decode(jpeg, 100_000)


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(bomb, "PNG")
    with pytest.raises(TooLarge):
        decode(bomb.getvalue(), LIMIT)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of some damage and reads on.
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_damage_anywhere_gives_a_picture_or_a_clear_error(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF"]))
    whole = bytearray(save(upright_picture(48, 32), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidRequest, UnsupportedMedia, TooLarge):
        assert decode(bytes(whole), 1_000_000).pixels.ndim == 3
