"""Pixels that another process reads."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from assay_inference.shared_pixels import PixelPlace, SharedPixels

PIXELS = np.random.default_rng(3).integers(0, 256, (700, 500, 3)).astype(np.uint8)


def read_elsewhere(place: PixelPlace) -> bytes:
    return place.read().tobytes()


def test_another_process_reads_what_is_shared_and_only_while_it_is() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        # A view with gaps is laid out without them.
        with SharedPixels(PIXELS[::2, 3:99]) as shared:
            assert pool.submit(read_elsewhere, shared.place).result() == PIXELS[::2, 3:99].tobytes()
        with pytest.raises(OSError, match="/proc/"):
            pool.submit(read_elsewhere, shared.place).result()


def test_what_is_shared_cannot_be_changed_by_a_reader_and_outlives_the_file() -> None:
    with SharedPixels(PIXELS) as shared:
        read = shared.place.read()
    assert np.array_equal(read, PIXELS)
    with pytest.raises(ValueError, match="read-only"):
        read[0, 0, 0] = 1
