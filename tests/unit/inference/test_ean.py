from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay_inference.ean import Fit, fit_ean13
from assay_inference.ean_places import draw_pattern, find_path
from assay_shared.gtin import check_digit
from deploy.local.photos.barcode import encode_ean13

QUIET = 12
FINE = 20
"""Values of the print to a module, before any lens."""
bodies = st.text("0123456789", min_size=12, max_size=12)


def photograph(digits: str, module: float, blur: float, noise: float = 0.0, seed: int = 1) -> np.ndarray:
    """A line of darknesses as a camera sees an EAN-13: `module` values to a module, `blur` in modules."""
    bits = "0" * QUIET + encode_ean13(digits) + "0" * QUIET
    printed = np.repeat([float(bit) for bit in bits], FINE)
    reach = np.arange(-4 * FINE, 4 * FINE + 1)
    kernel = np.exp(-0.5 * (reach / (blur * FINE)) ** 2)
    soft = np.convolve(printed, kernel / kernel.sum(), "same")
    places = (np.arange(int(len(bits) * module)) + 0.5) * FINE / module - 0.5
    line = 60 + 120 * np.interp(places, np.arange(len(soft)), soft)
    return np.asarray(line + np.random.default_rng(seed).normal(0, noise, len(line)), np.float32)


def with_check(body: str) -> str:
    return body + str(check_digit(body))


@settings(max_examples=12, deadline=None)
@given(bodies, st.floats(1.5, 6), st.floats(0.2, 0.8), st.floats(0.82, 1.5), st.booleans())
def test_blurred_numbers_are_read_either_way_round(
    body: str, module: float, blur: float, guess: float, turned: bool
) -> None:
    digits = with_check(body)
    line = photograph(digits, module, blur)
    fit = fit_ean13(np.ascontiguousarray(line[::-1]) if turned else line, module * guess)
    assert fit is not None
    assert fit.sure
    assert fit.digits == digits
    assert fit.start / module == pytest.approx(QUIET, abs=1)
    assert fit.end / module == pytest.approx(QUIET + 95, abs=1)


@settings(max_examples=12, deadline=None)
@given(bodies, st.floats(1.0, 1.6), st.integers(0, 10**6))
def test_what_is_too_blurred_is_never_a_wrong_number(body: str, blur: float, seed: int) -> None:
    digits = with_check(body)
    fit = fit_ean13(photograph(digits, 2.0, blur, noise=6.0, seed=seed), 2.0)
    assert fit is None or not fit.sure or fit.digits == digits


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.integers(200, 900))
def test_noise_and_stripes_are_no_number(seed: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    for line in (rng.normal(100, 20, length), 100 + 50 * np.sin(np.arange(length) * rng.uniform(0.2, 3))):
        fit = fit_ean13(line.astype(np.float32), length / 120)
        assert fit is None or not fit.sure


@settings(max_examples=12, deadline=None)
@given(bodies, st.integers(1, 9))
def test_a_number_with_a_wrong_check_digit_is_not_read(body: str, more: int) -> None:
    wrong = body + str((check_digit(body) + more) % 10)
    fit = fit_ean13(photograph(wrong, 3.0, 0.4), 3.0)
    assert fit is None or not fit.sure


def test_widths_may_vary_slowly_as_round_a_can() -> None:
    digits = with_check("400638133393")
    line = photograph(digits, 4.0, 0.3)
    middle = len(line) / 2
    across = np.linspace(-np.sin(0.5), np.sin(0.5), len(line))
    bent = np.interp(middle + np.arcsin(across) / 0.5 * middle, np.arange(len(line)), line)
    fit = fit_ean13(bent.astype(np.float32), 4.0)
    assert fit is not None
    assert (fit.sure, fit.digits) == (True, digits)


def test_a_line_that_is_too_short_has_no_path() -> None:
    assert find_path(np.zeros(100, np.float32), 0.5) is None
    assert fit_ean13(np.zeros(40, np.float32), 1.0) is None
    assert fit_ean13(np.zeros(900, np.float32), 6.0) is None


def test_a_pattern_has_mean_0_and_norm_1_and_its_bars_are_dark() -> None:
    pattern = draw_pattern("0001101", "??1", "0??", 0.3)
    assert pattern.mean() == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(pattern) == pytest.approx(1)
    assert pattern[13] > 0 > pattern[4]


@pytest.mark.parametrize(
    ("misfit", "margin", "sure"),
    [(0.05, 0.3, True), (0.05, 0.24, False), (0.12, 0.9, False), (0.001, 0.1, False)],
)
def test_only_what_fits_well_and_much_better_than_the_next_is_sure(
    misfit: float, margin: float, sure: bool
) -> None:
    assert Fit("4006381333931", misfit, margin, 0.0, 1.0).sure is sure
