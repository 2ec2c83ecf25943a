from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_inference.pace import Pace


def learn(fixed: float, each: float, most: int = 16, answers: int = 400, noise: float = 0.0) -> Pace:
    """A host with these costs, given batches as it chooses them under load."""
    rng = random.Random(1)
    pace = Pace()
    for _ in range(answers):
        size = rng.randint(1, pace.choose_batch(most))
        pace.note(size, (fixed + each * size) * (1 + noise * rng.random()))
    return pace


def test_a_cpu_gets_single_pictures_and_a_gpu_full_batches() -> None:
    cpu, gpu = learn(0.004, 0.04), learn(0.006, 0.0003)
    assert cpu.choose_batch(16) <= 2
    assert gpu.choose_batch(16) == 16
    assert cpu.seconds_per_picture == pytest.approx(0.042, abs=0.003)


@given(fixed=st.floats(0, 0.1), each=st.floats(0.0001, 0.1), most=st.integers(1, 64))
def test_a_batch_is_never_empty_or_too_large(fixed: float, each: float, most: int) -> None:
    pace = learn(fixed, each, most, answers=60, noise=0.5)
    assert 1 <= pace.choose_batch(most) <= most


def test_no_batch_takes_long_even_where_its_fixed_cost_is_high() -> None:
    pace = learn(0.5, 0.1)
    assert pace.choose_batch(16) == 1


def test_nothing_is_guessed_before_there_are_answers() -> None:
    pace = Pace()
    assert pace.choose_batch(16) == 16
    assert pace.seconds_per_picture is None


def test_a_host_that_changes_is_learnt_anew() -> None:
    pace = learn(0.004, 0.04)
    rng = random.Random(2)
    for _ in range(1500):
        size = rng.randint(1, pace.choose_batch(16))
        pace.note(size, 0.006 + 0.0003 * size)
    assert pace.choose_batch(16) == 16
