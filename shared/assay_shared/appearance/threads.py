"""Work on many photos, or parts of them, on all cores: OpenCV and NumPy compute outside of Python's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Got = TypeVar("Got")


def map_on_cores(function: Callable[[Given], Got], items: Iterable[Given]) -> list[Got]:
    """What the function makes of each item, in order. Raises what it raises."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(function, items))
