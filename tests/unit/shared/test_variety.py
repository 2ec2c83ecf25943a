"""Photos that are all alike are told so, varied ones are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_shared.variety import APART, FEWEST, REACHES, Kind, find_uniform

KINDS: list[Kind] = ["distance", "angle", "light"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_series_from_a_tripod_lacks_others(kind: Kind) -> None:
    rng = np.random.default_rng(3)
    steady = np.exp(rng.normal(0, REACHES[kind] / 5, 40)).tolist()
    short = find_uniform("carton", kind, steady)
    assert short is not None
    assert (short.label, short.kind, short.images) == ("carton", kind, 0)
    # 14 more of other kinds make 14 of 54, which is a quarter; 13 would not.
    assert short.needed == 14
    assert "'carton': only 0 of 40" in short.advice
    assert "add 14 or more" in short.advice


@pytest.mark.parametrize("kind", KINDS)
def test_photos_taken_by_hand_are_varied_enough(kind: Kind) -> None:
    rng = np.random.default_rng(4)
    assert find_uniform("carton", kind, np.exp(rng.normal(0, 2 * REACHES[kind], 40)).tolist()) is None


def test_any_of_several_measures_makes_a_photo_differ() -> None:
    same, other = [1.0] * 12, [1.0] * 8 + [1.5] * 4
    assert find_uniform("carton", "light", same, same) is not None
    assert find_uniform("carton", "light", same, other) is None


def test_few_photos_are_not_judged_by_their_variety() -> None:
    assert find_uniform("carton", "angle", [1.0] * (FEWEST - 1)) is None
    assert find_uniform("carton", "angle", [1.0] * FEWEST) is not None


@given(st.lists(st.floats(0.01, 100), min_size=FEWEST, max_size=60), st.sampled_from(KINDS))
def test_what_is_asked_for_makes_up_the_share(values: list[float], kind: Kind) -> None:
    short = find_uniform("carton", kind, values)
    if short is not None:
        assert short.needed > short.images
        assert short.needed >= APART * (len(values) + short.needed - short.images) - 1e-9
