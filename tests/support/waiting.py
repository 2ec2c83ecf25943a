"""Waiting for what happens in another process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(predicate: Callable[[], T | None], timeout: float = 30.0, what: str = "") -> T:
    """Asks until the answer is true and returns it; after `timeout` seconds fails, naming `what`."""
    deadline = time.monotonic() + timeout
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not within {timeout:.0f} s: {what or predicate}; the last answer: {answer!r}"
            )
        time.sleep(0.05)
