"""What is in memory: least recently used goes first, within a limit of bytes; never what is in use."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")
Key = tuple[str, str]
"""Brand and version."""


@dataclass
class _Resident(Generic[V]):
    value: V
    size: int
    users: int = 0


class Residents(Generic[V]):
    """Values by (brand, version), loaded on demand and once however many ask at the same time.

    `load` returns a value and its size in bytes; what it raises goes to everyone who waits for that key
    and is not remembered. The sum of sizes stays within `limit_bytes` unless what is in use alone exceeds
    it. Safe to share between threads.
    """

    def __init__(self, limit_bytes: int, load: Callable[[str, str], tuple[V, int]]) -> None:
        self._limit = limit_bytes
        self._load = load
        self._lock = threading.Lock()
        self._here: OrderedDict[Key, _Resident[V]] = OrderedDict()
        self._coming: dict[Key, Future[None]] = {}
        self._bytes = 0

    @property
    def size(self) -> int:
        """Bytes of all values that are here."""
        return self._bytes

    def __contains__(self, key: Key) -> bool:
        with self._lock:
            return key in self._here

    def __len__(self) -> int:
        return len(self._here)

    @contextmanager
    def borrow(self, key: Key) -> Iterator[V]:
        """The value of a key, loaded if needed, kept from eviction until the block ends."""
        resident = self._take(key)
        try:
            yield resident.value
        finally:
            with self._lock:
                resident.users -= 1
                self._evict()

    def _take(self, key: Key) -> _Resident[V]:
        while True:
            with self._lock:
                resident = self._here.get(key)
                if resident is not None:
                    resident.users += 1
                    self._here.move_to_end(key)
                    return resident
                coming = self._coming.get(key)
                mine = coming is None
                if coming is None:
                    coming = self._coming[key] = Future()
            if mine:
                return self._fetch(key, coming)
            coming.result()

    def _fetch(self, key: Key, coming: Future[None]) -> _Resident[V]:
        try:
            value, size = self._load(*key)
        except BaseException as error:
            with self._lock:
                del self._coming[key]
            coming.set_exception(error)
            raise
        resident = _Resident(value, size, users=1)
        with self._lock:
            del self._coming[key]
            self._here[key] = resident
            self._bytes += size
            self._evict()
        coming.set_result(None)
        return resident

    def _evict(self) -> None:
        for key in list(self._here):
            if self._bytes <= self._limit:
                return
            if self._here[key].users == 0:
                self._bytes -= self._here.pop(key).size
