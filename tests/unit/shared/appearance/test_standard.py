"""Scores of different causes become comparable: pose explained, in spreads of genuine photos."""

from __future__ import annotations

import numpy as np
import pytest

from assay_shared.appearance.standard import fit_standard, standardise_without


def test_what_pose_explains_is_not_held_against_a_photo() -> None:
    rng = np.random.default_rng(5)
    bend = np.abs(rng.normal(size=(62, 1)))
    scores = np.exp(0.2 * rng.normal(size=(62, 2)) + bend * np.array([1.0, 0.0]))
    standard = fit_standard(scores, bend)
    much, little = np.array([[2.2]]), np.array([[0.1]])
    high = np.array([[9.0, 1.0]])
    assert standard.standardise(high, much)[0, 0] < 2 < standard.standardise(high, little)[0, 0]
    # Beyond what the photos have shown, more bend explains no more.
    assert standard.standardise(high, much * 50)[0, 0] == standard.standardise(high, much * 100)[0, 0]


def test_the_scale_of_a_cause_is_its_own() -> None:
    rng = np.random.default_rng(6)
    scores, none = rng.exponential(size=(62, 2)), np.zeros((62, 1))
    scores[:, 1] *= 50
    standardised = fit_standard(scores, none).standardise(scores, none)
    assert np.median(standardised, 0) == pytest.approx(0, abs=1e-9)
    assert standardised.max(0) == pytest.approx(standardised.max(), rel=0.5)


def test_one_odd_photo_does_not_say_how_far_a_cause_reaches() -> None:
    random = np.random.default_rng(1)
    scores, none = random.gamma(3, 1, (60, 1)), np.zeros((60, 1))
    usual = fit_standard(scores, none).spread
    scores[7] = 8_000
    assert fit_standard(scores, none).spread == pytest.approx(usual, rel=0.4)


def test_near_duplicates_are_left_out_together() -> None:
    rng = np.random.default_rng(7)
    scores, none = rng.exponential(size=(40, 2)), np.zeros((40, 1))
    scores[:3] *= 30
    alone = standardise_without(scores, none, [str(i) for i in range(40)])[1]
    together = standardise_without(scores, none, [str(max(i, 2)) for i in range(40)])[1]
    assert (together[:3].max(1) > alone[:3].max(1)).all()
