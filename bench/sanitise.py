"""Sanitising a 12 megapixel phone JPEG with GPS: `python -m bench.sanitise`.

Two rows of the figures: an upright picture (whose coded data is kept as it is) and one that needs turning
(whose coefficients are moved). The peer, in the same run and on the same bytes, is what one would write
with Pillow: open, `exif_transpose`, save at quality 95. Both start from bytes in memory and end with bytes in
memory. What ingest does besides, whichever way a picture was sanitised, has rows of its own: the hash of the
content, and the decode at an eighth of the size that proves the picture whole and gives its look-alike hash.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import platform
import statistics
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

from assay_ingest.jpeg_rotation import rotate_losslessly
from assay_ingest.jpeg_segments import parse_jpeg
from assay_ingest.libjpeg import Blocks, rewrite_coefficients
from assay_ingest.metadata import carries_metadata
from assay_ingest.phash import perceptual_hash
from assay_ingest.sanitise import CleanImage, sanitise_image

SIZE = (4032, 3024)
QUALITY = 91
ROUNDS = 9
LIMIT = 100_000_000
ROTATED_90 = 6
INVERSE_OF_ROTATED_90 = 8

Result = TypeVar("Result")


def make_photo(orientation: int) -> bytes:
    """A JPEG of a photo's size, entropy (about 4.5 MB) and metadata: soft shapes, texture, sensor noise."""
    rng = np.random.default_rng(7)
    width, height = SIZE
    shapes = Image.fromarray(rng.integers(0, 255, (height // 16, width // 16, 3), dtype=np.uint8))
    soft = np.asarray(shapes.resize(SIZE, Image.Resampling.BICUBIC), dtype=np.int16)
    noise = rng.normal(0, 5, (height, width, 1)).astype(np.int16)
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "A phone"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", (48.0, 51.0, 30.5), "E", (2.0, 17.0, 40.2)
    out = io.BytesIO()
    pixels = np.clip(soft + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(out, "JPEG", quality=QUALITY, exif=exif)
    return out.getvalue()


def with_pillow(data: bytes) -> bytes:
    """The peer."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        ImageOps.exif_transpose(image).save(out, "JPEG", quality=95)
    return out.getvalue()


def with_assay(data: bytes) -> CleanImage:
    """What ingest does with a photo's bytes."""
    return sanitise_image(data, declared_name="photo.jpg", max_pixels=LIMIT)


def time_in_turn(*jobs: Callable[[], object]) -> list[float]:
    """Median milliseconds of each job; the jobs take turns, so that a busy machine slows all alike."""
    times: list[list[float]] = [[] for _ in jobs]
    for _ in range(ROUNDS):
        for job, taken in zip(jobs, times, strict=True):
            start = time.perf_counter()
            job()
            taken.append((time.perf_counter() - start) * 1e3)
    return [statistics.median(taken) for taken in times]


def same_pixels(a: bytes, b: bytes) -> bool:
    """Whether two JPEGs decode to the same pixels, as stored."""
    return np.array_equal(np.asarray(Image.open(io.BytesIO(a))), np.asarray(Image.open(io.BytesIO(b))))


def read_coefficients(data: bytes) -> list[Blocks]:
    """The coefficients of each component."""
    found: list[Blocks] = []

    def collect(old: Blocks, new: Blocks) -> None:
        found.append(old.copy())
        new[:] = old

    rewrite_coefficients(data, transpose=False, rearrange=collect)
    return found


def same_coefficients(original: bytes, turned: bytes) -> bool:
    """Whether turning the result back gives every coefficient of the original."""
    back = rotate_losslessly(dataclasses.replace(parse_jpeg(turned), orientation=INVERSE_OF_ROTATED_90))
    if back is None:
        return False
    pairs = zip(read_coefficients(original), read_coefficients(back), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def check(what: str, held: bool) -> bool:
    """Print a check's outcome and pass it on."""
    print(f"  {'yes' if held else 'NO '}  {what}")
    return held


def main() -> int:
    """Measure, check, print; 0 when both targets and all checks held."""
    upright, lying = make_photo(1), make_photo(ROTATED_90)
    print(f"{SIZE[0]} x {SIZE[1]} JPEG, {len(upright) / 1e6:.2f} MB, GPS Exif; medians of {ROUNDS} rounds")
    print(f"{platform.machine()}, Python {platform.python_version()}, one thread\n")
    ours_up, peer_up, proof, content_hash = time_in_turn(
        lambda: with_assay(upright),
        lambda: with_pillow(upright),
        lambda: perceptual_hash(upright),
        lambda: hashlib.sha256(upright).hexdigest(),
    )
    ours_lying, peer_lying = time_in_turn(lambda: with_assay(lying), lambda: with_pillow(lying))
    print(f"{'':34}{'Assay':>10}{'Pillow':>10}{'ratio':>9}{'target':>9}")
    for row, ours, peer, target in (
        ("upright", ours_up, peer_up, 50.0),
        ("needs turning, whole MCUs", ours_lying, peer_lying, 1.2),
    ):
        print(f"{row:34}{ours:7.1f} ms{peer:7.1f} ms{peer / ours:8.1f}x{target:8.1f}x")
    print(f"{'besides: proof, look-alike hash':34}{proof:7.1f} ms")
    print(f"{'besides: content hash':34}{content_hash:7.1f} ms\n")
    clean_up, clean_lying = with_assay(upright), with_assay(lying)
    held = [
        check("upright: rewritten without decoding", clean_up.method == "segments"),
        check("upright: the same pixels, bit for bit", same_pixels(upright, clean_up.data)),
        check("turned: without loss", clean_lying.method == "lossless-rotation"),
        check("turned: the same coefficients", same_coefficients(lying, clean_lying.data)),
        check("the originals carry GPS", "GPS" in carries_metadata(upright)),
        check("the copies carry nothing", not carries_metadata(clean_up.data)),
        check("the turned copies carry nothing", not carries_metadata(clean_lying.data)),
        check("upright target met", peer_up / ours_up >= 50),
        check("turning target met", peer_lying / ours_lying >= 1.2),
    ]
    return 0 if all(held) else 1


if __name__ == "__main__":
    raise SystemExit(main())
