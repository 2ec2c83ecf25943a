from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assay_shared.appearance.spots import Spots, fit_spots

Floats = npt.NDArray[np.float32]
ROWS, COLUMNS = 24, 32


def take(rng: np.random.Generator) -> Floats:
    """The energies of a genuine photo."""
    return rng.gamma(4.0, 10.0, (ROWS, COLUMNS)).astype(np.float32)


@pytest.fixture(scope="module")
def spots() -> Spots:
    rng = np.random.default_rng(0)
    return fit_spots(np.stack([take(rng) for _ in range(40)]))


def test_a_word_stands_out_where_its_places_alone_would_not(spots: Spots) -> None:
    rng = np.random.default_rng(1)
    genuine = [spots.score(take(rng)) for _ in range(40)]
    word, scattered = take(rng), take(rng)
    word[10:13, 12:20] *= 2.5
    for row, column in zip(rng.integers(0, ROWS, 24), rng.integers(0, COLUMNS, 24), strict=True):
        scattered[row, column] *= 2.5
    assert spots.score(word) > 2 * max(genuine)
    assert spots.score(word) > 2 * spots.score(scattered)
    sizes, row, column = np.unravel_index(
        np.nanargmax(spots.map_departures(word)), spots.map_departures(word).shape
    )
    assert sizes >= 1
    assert 9 <= row <= 13
    assert 11 <= column <= 20


def test_what_is_more_all_over_is_no_spot(spots: Spots) -> None:
    rng = np.random.default_rng(2)
    energy = take(rng)
    assert spots.score(3 * energy) < 1.5 * spots.score(energy) + 1


def test_where_a_photo_of_ten_departs_is_no_quiet_place() -> None:
    rng = np.random.default_rng(3)
    photos = [take(rng) for _ in range(40)]
    for photo in photos[:4]:
        photo[10:13, 12:20] *= 4
    usual = fit_spots(np.stack(photos))
    there, elsewhere = take(rng), take(rng)
    there[10:13, 12:20] *= 4
    elsewhere[17:20, 4:12] *= 4
    assert usual.score(elsewhere) > 1.3 * usual.score(there)


@given(
    arrays(
        np.float32,
        (ROWS, COLUMNS),
        elements=st.one_of(st.just(float("nan")), st.floats(0, 1e6, width=32)),
    )
)
def test_any_photo_has_a_score(spots: Spots, energy: Floats) -> None:
    score = spots.score(energy)
    assert np.isfinite(score)
    assert score >= 0
