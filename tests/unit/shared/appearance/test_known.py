"""What known counterfeits have in common, and what it does to genuine photos and to other counterfeits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_shared.appearance.known import fit_known, score_without, sharpen
from assay_shared.appearance.patches import Doubles
from assay_shared.appearance.significance import KNOWN, KnownCounterfeits, Significance, fit_significance

CAUSES = [f"cause {number}" for number in range(8)]
GENUINE = 60
COMMON = np.array([1.2, 1.2, 1.2, 0, 0, 0, 0, 0])
"""Spreads by which a kind of counterfeit departs: by each cause alone, hardly."""


def draw(seed: int, count: int, departure: Doubles | float = 0.0) -> Doubles:
    """Scores (count, 8), whose logarithms are normal."""
    normal = np.random.default_rng(seed).standard_normal((count, len(CAUSES)))
    return np.asarray(np.expm1(3 + 0.3 * (normal + departure)))


def fit(seed: int, known: int, departure: Doubles = COMMON) -> Significance:
    names = [str(place) for place in range(GENUINE)]
    counterfeits = KnownCounterfeits(draw(1000 + seed, known, departure), np.zeros((known, 1)))
    scores, leads = draw(seed, GENUINE), dict.fromkeys(CAUSES, 0.0)
    return fit_significance(scores, np.zeros((GENUINE, 1)), leads, names, counterfeits)


def find_p(significance: Significance, rows: Doubles) -> Doubles:
    return np.array(
        [significance.find_p_values(dict(zip(CAUSES, row, strict=True)), np.zeros(1))[0] for row in rows]
    )


def test_known_counterfeits_tell_others_of_their_kind_and_cost_other_kinds_little() -> None:
    other = np.array([0, 0, 0, 0, 0, 0, 0, 4.0])
    caught = {0: np.zeros(2), 5: np.zeros(2)}
    for seed in range(12):
        for known, shares in caught.items():
            significance = fit(seed, known)
            shares += [
                (find_p(significance, draw(2000 + seed, 40, kind)) < 0.05).mean() for kind in (COMMON, other)
            ]
    without, sharpened = caught[0] / 12, caught[5] / 12
    assert sharpened[0] > without[0] + 0.05
    assert sharpened[1] > without[1] - 0.02


@pytest.mark.parametrize("departure", [COMMON, np.zeros(8), np.full(8, -2.0)])
def test_genuine_photos_are_doubted_as_seldom_as_ever(departure: Doubles) -> None:
    """Also where what somebody calls counterfeits looks genuine, or more genuine than that."""
    doubted = [(find_p(fit(seed, 4, departure), draw(3000 + seed, 100)) < 0.1).mean() for seed in range(12)]
    assert 0.03 < float(np.mean(doubted)) < 0.15


def test_one_counterfeit_has_nothing_in_common() -> None:
    assert fit(1, 1).known is None
    assert KNOWN not in fit(1, 1).calibrations
    assert fit(1, 2).known is not None
    assert KNOWN in fit(1, 2).calibrations


def test_what_looks_more_genuine_than_genuine_ones_tells_nothing() -> None:
    genuine = np.random.default_rng(5).standard_normal((40, 3))
    assert fit_known(genuine, np.full((4, 3), -1.0)) is None
    groups = [str(place) for place in range(40)]
    assert np.isfinite(score_without(genuine, np.full((4, 3), -1.0), groups)).all()


def test_the_cause_that_counterfeits_share_weighs_most() -> None:
    genuine = np.random.default_rng(6).standard_normal((60, 4))
    kind = fit_known(genuine, np.array([[3.0, 0, 0, 0.2], [2.5, 0.3, 0, 0], [90.0, 0, 0.1, 0]]))
    assert kind is not None
    assert (kind.weights >= 0).all()
    assert kind.weights.argmax() == 0
    assert kind.score(np.array([[2.0, 0, 0, 0]]))[0] > kind.score(np.array([[0, 2.0, 2.0, 2.0]]))[0]


P_VALUES = st.floats(1e-9, 1)


@given(P_VALUES, P_VALUES, P_VALUES)
def test_a_photo_that_is_less_like_known_counterfeits_is_never_doubted_sooner(
    p: float, alike: float, less: float
) -> None:
    nearer, farther = sorted((alike, less))
    assert 0 < sharpen(p, nearer) <= sharpen(p, farther) + 1e-12
    assert sharpen(p, farther) <= 1


@given(P_VALUES, P_VALUES)
def test_what_is_not_like_known_counterfeits_is_doubted_about_as_soon(p: float, alike: float) -> None:
    """At most by what is added for having two chances: 0.0016 at the default share of doubt."""
    assert sharpen(p, alike) <= p + p**2 * np.log(1 / p) + 1e-12


@pytest.mark.parametrize("together", [0.0, 0.3, 0.6, 0.9, 1.0])
def test_two_chances_promise_what_one_does(together: float) -> None:
    """Whether p-values are independent or go together, by a normal copula."""
    normal = np.random.default_rng(8).standard_normal((100_000, 2))
    normal[:, 1] = together * normal[:, 0] + np.sqrt(1 - together**2) * normal[:, 1]
    ranks = (normal.argsort(0).argsort(0) + 1) / len(normal)
    for share in (0.02, 0.1):
        doubted = np.mean([sharpen(p, alike) < share for p, alike in ranks])
        assert 0.7 * share < doubted < 1.12 * share
