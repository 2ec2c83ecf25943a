"""Waiting for what happens in another process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    predicate: Callable[[], T | None],
    timeout: float = 30.0,
    what: str | Callable[[], str] = "",
    *,
    pause: float = 0.25,
) -> T:
    """Asks until the answer is true and returns it; after `timeout` seconds fails, naming `what`, which is
    asked only then where it is a function.

    Asks often at first, and then every `pause` seconds: what is waited for needs the processor too.
    """
    started = time.monotonic()
    while True:
        answer = predicate()
        if answer:
            return answer
        waited = time.monotonic() - started
        if waited > timeout:
            named = what() if callable(what) else what or predicate
            raise AssertionError(f"not within {timeout:.0f} s: {named}; the last answer: {answer!r}")
        time.sleep(min(max(0.05, waited / 10), pause))
