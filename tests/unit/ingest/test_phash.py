"""Near-duplicates are near, others are far, and what does not decode to its end is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from assay_ingest.errors import ImageRefused
from assay_ingest.phash import hamming, perceptual_hash, verify_pixels
from tests.support.pictures import save


def scene(seed: int) -> Image.Image:
    """Soft random shapes, 320 x 240."""
    few = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(few).resize((320, 240), Image.Resampling.BICUBIC)


def test_the_same_scene_stays_near_in_any_format_size_and_quality() -> None:
    first = perceptual_hash(save(scene(1), "JPEG", quality=92))
    assert len(first) == 16
    for other in (
        save(scene(1), "JPEG", quality=40),
        save(scene(1), "PNG"),
        save(scene(1), "WEBP"),
        save(scene(1).resize((640, 480)), "JPEG"),
        save(scene(1).point([min(255, v + 12) for v in range(256)] * 3), "PNG"),
    ):
        assert hamming(first, perceptual_hash(other)) <= 6


def test_other_scenes_are_far() -> None:
    hashes = [perceptual_hash(save(scene(seed), "PNG")) for seed in range(12)]
    distances = [hamming(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(distances) > 12


@given(a=st.integers(0, 2**64 - 1), b=st.integers(0, 2**64 - 1))
def test_hamming_counts_differing_bits(a: int, b: int) -> None:
    assert hamming(f"{a:016x}", f"{b:016x}") == bin(a ^ b).count("1")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("part", [0.4, 0.7, 0.97])
def test_a_reduced_decode_notices_what_is_cut_off(kind: str, part: float) -> None:
    whole = save(scene(2), kind)
    verify_pixels(whole)
    with pytest.raises(ImageRefused):
        verify_pixels(whole[: int(len(whole) * part)])


def test_a_progressive_jpeg_that_is_cut_off_is_noticed() -> None:
    whole = save(scene(2), "JPEG", progressive=True)
    with pytest.raises(ImageRefused) as caught:
        perceptual_hash(whole[: len(whole) // 2])
    assert caught.value.code == "truncated"


def test_a_flat_picture_has_a_hash() -> None:
    assert len(perceptual_hash(save(Image.new("L", (20, 20), 128), "PNG"))) == 16
