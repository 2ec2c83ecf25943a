"""Products without print are judged by their colours and fineness as a whole."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import pytest

from assay_shared.appearance.files import (
    MOST_BYTES,
    AppearanceFileCorrupt,
    pack_whole,
    unpack_any,
    unpack_appearance,
)
from assay_shared.appearance.fitting import LEAST_PHOTOS, fit_appearance
from assay_shared.appearance.patches import Patch, Pixels, cut_patch
from assay_shared.appearance.whole import TRAITS, WholeModel, describe_whole, fit_whole
from tests.support.prints import HEIGHT, WIDTH, photograph

PHOTOS = 30
SHARE = 0.02


@lru_cache(maxsize=1)
def make_weave() -> Pixels:
    """A woven strap without print, light and dark threads of one colour."""
    rng = np.random.default_rng(11)
    threads = cv2.GaussianBlur(rng.normal(0, 60, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 1.0)
    return np.asarray(np.clip(np.array([150, 80, 60]) + threads[..., None], 0, 255), np.uint8)


def dye(weave: Pixels) -> Pixels:
    hsv = cv2.cvtColor(weave, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(int) + 14) % 180
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def coarsen(weave: Pixels) -> Pixels:
    return np.asarray(cv2.GaussianBlur(weave, (0, 0), 4.0), np.uint8)


def take(art: Pixels, seed: int) -> Patch:
    photo = photograph(art, seed)
    return cut_patch(photo.pixels, photo.box)


@lru_cache(maxsize=1)
def fit() -> WholeModel:
    return fit_whole([take(make_weave(), seed) for seed in range(PHOTOS)], [str(i) for i in range(PHOTOS)])


def test_genuine_photos_are_seldom_doubted() -> None:
    p_values = [fit().judge(take(make_weave(), 400 + seed)).p for seed in range(30)]
    assert sum(p < SHARE for p in p_values) <= 2
    assert 0.2 < np.mean([p < 0.5 for p in p_values]) < 0.8


@pytest.mark.parametrize(("forge", "trait"), [(dye, "colour"), (coarsen, "fineness")])
def test_a_fake_is_doubted_for_its_trait(forge, trait: str) -> None:  # type: ignore[no-untyped-def]
    found = [fit().judge(take(forge(make_weave()), 500 + seed)) for seed in range(6)]
    assert sum(one.p < SHARE for one in found) >= 5
    assert all(min(one.causes, key=lambda name: one.causes[name]) == trait for one in found)


def test_a_file_judges_as_the_model_that_was_packed() -> None:
    data = pack_whole(fit())
    assert len(data) < MOST_BYTES
    again = unpack_any(data)
    patch = take(dye(make_weave()), 600)
    assert isinstance(again, WholeModel)
    assert again.judge(patch) == fit().judge(patch)
    assert again.density == fit().density
    with pytest.raises(AppearanceFileCorrupt, match="no print"):
        unpack_appearance(data)


def test_a_product_without_print_is_fitted_as_a_whole_and_says_why() -> None:
    blank = np.full_like(make_weave(), 190)
    found = fit_appearance([take(blank, seed) for seed in range(LEAST_PHOTOS)])
    assert found.model is None
    assert "print" in found.reason
    assert found.whole is not None


def test_photos_that_repeat_one_another_are_too_few() -> None:
    blank = np.full_like(make_weave(), 190)
    patches = [take(blank, seed) for seed in range(LEAST_PHOTOS)]
    assert fit_appearance(patches, ["one"] * LEAST_PHOTOS).whole is None


@pytest.mark.parametrize("size", [(2, 2), (3, 700), (40, 5)])
def test_any_patch_has_finite_traits(size: tuple[int, int]) -> None:
    pixels = np.zeros((*size, 3), np.uint8)
    traits = describe_whole(Patch(pixels, 0, 0, 1.0, 800, 800))
    assert all(np.isfinite(traits[trait]).all() for trait in TRAITS)
