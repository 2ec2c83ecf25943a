"""A product's appearance, from genuine photos to the judgement of others."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import pytest

from assay_shared.appearance.alignment import align_patch
from assay_shared.appearance.explanation import (
    HEIGHT,
    draw_explanation,
    encode_explanation,
    find_departing,
    sketch_explanation,
)
from assay_shared.appearance.files import (
    MOST_BYTES,
    AppearanceFileCorrupt,
    pack_appearance,
    unpack_appearance,
)
from assay_shared.appearance.fitting import LEAST_PHOTOS, Fit, fit_appearance
from assay_shared.appearance.model import AppearanceModel
from assay_shared.appearance.patches import Patch, Pixels, cut_patch
from assay_shared.appearance.significance import KNOWN
from assay_shared.appearance.views import outline_print
from tests.support.prints import bend_art, draw_art, photograph, photograph_round

ART = draw_art(1)
PHOTOS = 24
SHARE = 0.02


def take(art: Pixels, seed: int) -> Patch:
    photo = photograph(art, seed)
    return cut_patch(photo.pixels, photo.box)


@lru_cache(maxsize=1)
def fit() -> Fit:
    return fit_appearance([take(ART, seed) for seed in range(PHOTOS)])


@pytest.fixture
def model() -> AppearanceModel:
    found = fit().model
    assert found is not None, fit().reason
    return found


def shift_hue(art: Pixels, steps: int = 9) -> Pixels:
    hsv = cv2.cvtColor(art, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(int) + steps) % 180
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def coarsen(art: Pixels) -> Pixels:
    small = cv2.resize(art, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, art.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def blot_out(art: Pixels) -> Pixels:
    other = art.copy()
    other[200:300, 100:220] = art[5, 5]
    return other


def test_every_genuine_photo_aligns_and_few_are_doubted(model: AppearanceModel) -> None:
    assert fit().aligned == PHOTOS
    p_values = [model.judge(take(ART, 500 + seed)).p for seed in range(16)]
    assert all(p is not None for p in p_values)
    assert sum(p < SHARE for p in p_values if p is not None) <= 1


@pytest.mark.parametrize(
    ("forge", "causes"),
    [
        (shift_hue, ["ink"]),
        (coarsen, ["fineness"]),
        (blot_out, ["structure 1", "structure 3", "colour 3", "loss 1"]),
    ],
)
def test_a_fake_is_doubted_for_its_cause(model: AppearanceModel, forge, causes: list[str]) -> None:  # type: ignore[no-untyped-def]
    judgements = [model.judge(take(forge(ART), 700 + seed)) for seed in range(6)]
    assert sum(one.p is not None and one.p < SHARE for one in judgements) >= 5
    assert sum(min((one.causes or {})[cause] for cause in causes) < 0.1 for one in judgements) >= 5


def test_another_print_is_not_aligned(model: AppearanceModel) -> None:
    assert [model.judge(take(draw_art(9), seed)).p for seed in range(4)] == [None] * 4


def test_the_frame_says_where_the_print_lies_in_the_photo(model: AppearanceModel) -> None:
    one, other = photograph(ART, 801), photograph(ART, 802)
    found = [align_patch(cut_patch(photo.pixels, photo.box), model.reference.frame) for photo in (one, other)]
    assert found[0] is not None
    assert found[1] is not None
    # From a photo into the frame and out into the other one is the way between the two views.
    spots = np.array([[[80.0, 90.0]], [[330.0, 120.0]], [[200.0, 430.0]]])
    there = cv2.perspectiveTransform(spots, other.view)
    way = found[1].pose[:, :3] @ np.linalg.inv(found[0].pose[:, :3]) @ one.view
    assert np.abs(cv2.perspectiveTransform(spots, way) - there).max() < 1.5


def test_the_explanation_outlines_what_was_altered(model: AppearanceModel) -> None:
    for seed in range(950, 956):
        photo = photograph(blot_out(ART), seed)
        patch = cut_patch(photo.pixels, photo.box)
        judgement = model.judge(patch)
        departing = find_departing(model, judgement)
        assert judgement.aligned is not None
        ys, xs = np.nonzero(departing)
        spots = np.stack([xs, ys], -1)[:, None].astype(np.float64)
        to_art = np.linalg.inv(photo.view) @ judgement.aligned.pose[:, :3]
        x, y = cv2.perspectiveTransform(spots, to_art)[:, 0].T
        # The blot, grown by a place and a half: 12 pixels of the frame are some 8 of the art.
        inside = (x > 100 - 16) & (x < 220 + 16) & (y > 200 - 16) & (y < 300 + 16)
        assert inside.mean() > 0.8
        picture = draw_explanation(model.reference, sketch_explanation(model, patch, judgement))
        assert picture.shape[0] == HEIGHT
        assert encode_explanation(picture).startswith(b"\xff\xd8")


def test_a_genuine_photo_has_little_outlined(model: AppearanceModel) -> None:
    shares = [find_departing(model, model.judge(take(ART, 960 + seed))).mean() for seed in range(6)]
    assert np.median(shares) < 0.01


def test_what_is_not_aligned_is_shown_beside_the_genuine_print(model: AppearanceModel) -> None:
    patch = take(draw_art(9), 1)
    sketch = sketch_explanation(model, patch, model.judge(patch))
    assert draw_explanation(model.reference, sketch).shape[0] == HEIGHT


def test_a_product_that_is_not_rigid_aligns_by_the_modes_that_its_photos_taught() -> None:
    found = fit_appearance([take(bend_art(ART, seed), seed) for seed in range(PHOTOS)])
    assert found.model is not None
    assert len(found.model.reference.frame.modes) >= 1
    assert found.aligned == PHOTOS
    again = unpack_appearance(pack_appearance(found.model))
    p_values = [again.judge(take(bend_art(ART, 600 + seed), 600 + seed)).p for seed in range(8)]
    assert sum(p is None or p < SHARE for p in p_values) <= 1
    forged = [again.judge(take(bend_art(shift_hue(ART), 620 + s), 620 + s)).p for s in range(4)]
    assert sum(p is not None and p < SHARE for p in forged) >= 3


def take_round(art: Pixels, seed: int) -> Patch:
    photo = photograph_round(art, seed)
    return cut_patch(photo.pixels, photo.box)


@lru_cache(maxsize=1)
def fit_round() -> Fit:
    return fit_appearance([take_round(ART, seed) for seed in range(PHOTOS)])


def test_a_round_product_aligns_from_every_side_by_its_relief() -> None:
    found = fit_round()
    assert found.model is not None, found.reason
    assert found.aligned == PHOTOS
    frame = found.model.reference.frame
    # Round from left to right, and not from top to bottom.
    middle = frame.relief[frame.relief.shape[0] // 3 : -frame.relief.shape[0] // 3]
    middle = middle[:, middle.shape[1] // 5 : -middle.shape[1] // 5]
    assert np.ptp(middle.mean(0)) > 4 * np.ptp(middle.mean(1))
    again = unpack_appearance(pack_appearance(found.model))
    genuine = [again.judge(take_round(ART, 600 + seed)) for seed in range(8)]
    assert sum(one.p is None or one.p < SHARE for one in genuine) <= 1
    for one in genuine:
        assert one.aligned is not None
        textured = one.aligned.weights > 0.1
        assert np.median(np.abs(one.aligned.residual[textured])) < 0.3
    for forge in (shift_hue, blot_out):
        forged = [again.judge(take_round(forge(ART), 620 + seed)).p for seed in range(4)]
        assert sum(p is not None and p < SHARE for p in forged) >= 3


def test_the_print_of_a_round_product_is_outlined_in_the_photo() -> None:
    model = fit_round().model
    assert model is not None
    judgement = model.judge(take_round(ART, 640))
    assert judgement.aligned is not None
    photo = photograph_round(ART, 640)
    mask = model.reference.mask.astype(np.uint8)
    outlines = outline_print(mask, judgement.aligned.pose, judgement.aligned.bend, model.reference.frame)
    x, y = np.concatenate(outlines)[:, 0].T
    left, top, right, bottom = photo.box
    assert ((x > left - 12) & (x < right + 12) & (y > top - 12) & (y < bottom + 12)).mean() > 0.95


def test_a_file_judges_as_the_model_that_was_packed(model: AppearanceModel) -> None:
    data = pack_appearance(model)
    assert len(data) < MOST_BYTES
    again = unpack_appearance(data)
    for art, seed in ((ART, 900), (blot_out(ART), 901)):
        assert again.judge(take(art, seed)).p == pytest.approx(model.judge(take(art, seed)).p, rel=1e-3)


def test_known_counterfeits_sharpen_what_is_judged_and_travel_in_the_file(model: AppearanceModel) -> None:
    """What departs a little by several causes: it is doubted sooner where such counterfeits are known."""
    genuine = [take(ART, seed) for seed in range(PHOTOS)]
    copy = np.asarray(cv2.GaussianBlur(shift_hue(ART, 1), (0, 0), 0.5), np.uint8)
    sharp = fit_appearance(genuine, known=[take(copy, 950 + seed) for seed in range(4)]).model
    assert sharp is not None
    fakes = [take(copy, 970 + seed) for seed in range(8)]
    before, after = [model.judge(one).p for one in fakes], [sharp.judge(one) for one in fakes]
    assert all(KNOWN in (one.causes or {}) for one in after)
    assert sum((one.p or 1) < (p or 1) for one, p in zip(after, before, strict=True)) >= 7
    again = unpack_appearance(pack_appearance(sharp))
    assert again.judge(fakes[0]).p == pytest.approx(after[0].p, rel=1e-3)
    # Another product's photos, called counterfeits, have nothing that could be compared.
    strange = fit_appearance(genuine, known=[take(draw_art(9), seed) for seed in range(4)]).model
    assert strange is not None
    assert strange.significance.known is None


@pytest.mark.parametrize("damage", [b"", b"no file", b"\x08" + b"\0" * 40])
def test_a_damaged_file_says_so(damage: bytes) -> None:
    with pytest.raises(AppearanceFileCorrupt):
        unpack_appearance(damage)


def test_too_few_photos_are_not_enough() -> None:
    found = fit_appearance([take(ART, seed) for seed in range(LEAST_PHOTOS - 1)])
    assert found.model is None
    assert str(LEAST_PHOTOS) in found.reason


def test_a_product_without_print_is_refused_with_the_reason() -> None:
    blank = np.full_like(ART, 190)
    found = fit_appearance([take(blank, seed) for seed in range(LEAST_PHOTOS)])
    assert found.model is None
    assert "print" in found.reason
