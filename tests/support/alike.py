"""Whether two answers say the same, whichever of its runtimes the engine chose when it last began.

Each start tries them and takes the fastest, and their numbers differ in the last digits.
"""

from __future__ import annotations

import math
from typing import Any

RELATIVE = 0.01
ABSOLUTE = 0.05
"""Of a number: a little more than one rank among the 26 photos that a p-value of the demo's is taken from."""


def find_differences(now: Any, before: Any, path: str = "") -> list[str]:
    """Where two JSON values differ, a line each; numbers may by 0.05, or by 1 %."""
    if isinstance(now, dict) and isinstance(before, dict) and now.keys() == before.keys():
        return [found for key in now for found in find_differences(now[key], before[key], f"{path}.{key}")]
    if isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        return [
            found
            for number, pair in enumerate(zip(now, before, strict=True))
            for found in find_differences(*pair, f"{path}[{number}]")
        ]
    if _is_number(now) and _is_number(before):
        alike = math.isclose(now, before, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    else:
        alike = now == before
    return [] if alike else [f"{path}: {before!r}, then {now!r}"]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
