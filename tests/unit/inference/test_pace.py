from __future__ import annotations

import math
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


@given(
    streams=st.integers(1, 8), each=st.floats(0.0001, 0.5), fixed=st.floats(0, 0.1), most=st.integers(1, 64)
)
def test_no_stream_idles_while_pictures_wait(streams: int, each: float, fixed: float, most: int) -> None:
    pace, rng = Pace(streams), random.Random(1)
    for _ in range(60):
        size = rng.randint(1, pace.choose_batch(most))
        pace.note(size, fixed + each * math.ceil(size / streams))
    batch = pace.choose_batch(most)
    assert batch == most < streams or (streams <= batch <= most and batch % streams == 0)


def test_on_streams_a_cpu_gets_one_picture_a_stream_however_busy_it_is() -> None:
    for each in (0.01, 0.1, 0.4):
        pace, rng = Pace(2), random.Random(1)
        for _ in range(400):
            size = rng.randint(1, pace.choose_batch(16))
            # Alone a picture has both cores.
            pace.note(size, each * (0.6 if size == 1 else math.ceil(size / 2)))
        assert pace.choose_batch(16) == 2


def test_what_fits_into_a_time() -> None:
    cpu, gpu = learn(0.004, 0.04), learn(0.006, 0.0003)
    assert (cpu.count_within(0.02), cpu.count_within(0.1)) == (1, 2)
    assert gpu.count_within(0.02) == pytest.approx(46, abs=2)
    streams = Pace(2)
    assert streams.count_within(0.02) is None
    streams.note(2, 0.1)
    assert streams.count_within(0.02) == 2


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
