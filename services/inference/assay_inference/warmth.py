"""Which model versions a host has answered for, or been told to load, lately."""

from __future__ import annotations

import time
from collections import OrderedDict

Key = tuple[str, str]
"""Brand and version."""
REMEMBERED = 256
"""Versions a host; the engine's own budget is larger (ASSAY_ENGINE_MEMORY_BYTES holds 200 a gigabyte)."""
SECONDS = 300.0
"""After which the engine may have evicted a version for others."""


class Warmth:
    """The versions of one host, the latest last."""

    def __init__(self) -> None:
        self._remembered: OrderedDict[Key, float] = OrderedDict()

    def knows(self, key: Key) -> bool:
        """Whether this version was remembered within SECONDS."""
        return time.monotonic() - self._remembered.get(key, -SECONDS) < SECONDS

    def remember(self, key: Key) -> None:
        """It was just now."""
        self._remembered[key] = time.monotonic()
        self._remembered.move_to_end(key)
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)

    def forget(self, key: Key) -> None:
        """The host could not load this version after all."""
        self._remembered.pop(key, None)

    def clear(self) -> None:
        """The host may have been started anew."""
        self._remembered.clear()
