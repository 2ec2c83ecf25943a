"""Pictures that nobody waits for any more are refused, not computed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from assay_engine.errors import DeadlinePassed
from assay_engine.framing import Found, Item
from assay_shared.errors import AssayError

Detect = Callable[[list[Item], float | None], Sequence[Found | AssayError]]
"""One result for each item, in so many seconds (None: no limit)."""


def detect_in_time(items: Sequence[Item], detect: Detect) -> list[Found | AssayError]:
    """One result for each item: that of `detect`, which gets the items in time and the seconds that are left
    for the first of them, or DeadlinePassed."""
    now = time.monotonic()
    late = [item.deadline is not None and item.deadline <= now for item in items]
    in_time = [item for item, is_late in zip(items, late, strict=True) if not is_late]
    left = [item.deadline - now for item in in_time if item.deadline is not None]
    found = iter(detect(in_time, min(left, default=None)))
    return [
        DeadlinePassed("Nobody waited for this picture any more when the detector got it")
        if is_late
        else next(found)
        for is_late in late
    ]
