"""A tier: models held within a budget of bytes. The one place where they are taken in, kept and given up.

From the top: `resident` (what computes: on a GPU its memory), `host` (verified files in memory, only where
there is a device beside it), `disk` (`cache.py`); below them lies the object store. Each tier loads from the
one below. Only a tier frees what it holds, and never what is in use or pinned.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

from assay_engine.errors import EngineFull
from assay_engine.metrics import TierMetrics
from assay_engine.popularity import Key, Popularity
from assay_shared import logs

V = TypeVar("V")

RECLAIM_SHARE = 0.1
"""Of what a tier holds, given up at once when memory ends before its limit does."""

log = logs.get_logger(__name__)


@dataclass
class _Entry(Generic[V]):
    value: V
    size: int
    users: int = 0


class Loan(Generic[V]):
    """A value that stays until its block ends."""

    def __init__(self, value: V, give_back: Callable[[], None]) -> None:
        self.value = value
        """Valid until the block ends."""
        self._give_back = give_back

    def __enter__(self) -> V:
        return self.value

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._give_back()


class Tier(Generic[V]):
    """Values by (brand, version), loaded on demand, once however many ask at the same time.

    `load` gives a value and its size in bytes; what it raises goes to everyone who waits for that key and is
    not remembered, but MemoryError: then the least wanted are given up and it is tried again. The sum of
    sizes stays within `limit_bytes` unless what is in use or pinned alone exceeds it. `discard` is told what
    has left, and must not raise. Safe to share between threads; nothing waits for another key's load.
    """

    def __init__(
        self,
        name: str,
        limit_bytes: int,
        load: Callable[[Key], tuple[V, int]],
        popularity: Popularity,
        discard: Callable[[Key, V], None] = lambda _key, _value: None,
    ) -> None:
        self.name = name
        self.limit_bytes = limit_bytes
        self._load = load
        self._popularity = popularity
        self._discard = discard
        self._lock = threading.Lock()
        self._here: dict[Key, _Entry[V]] = {}
        self._coming: dict[Key, Future[None]] = {}
        self._pinned: frozenset[Key] = frozenset()
        self._bytes = 0
        self._metrics = TierMetrics(name, limit_bytes)

    @property
    def size(self) -> int:
        """Bytes of all values that are here."""
        return self._bytes

    def __contains__(self, key: Key) -> bool:
        return key in self._here

    def __len__(self) -> int:
        return len(self._here)

    def keys(self) -> list[Key]:
        """What is here now."""
        with self._lock:
            return list(self._here)

    def size_of(self, key: Key) -> int:
        """Bytes of a value; 0 when it is not here."""
        entry = self._here.get(key)
        return entry.size if entry is not None else 0

    def lend(self, key: Key) -> Loan[V] | None:
        """The value of a key if it is here, kept until the loan's block ends."""
        with self._lock:
            entry = self._here.get(key)
            return None if entry is None else self._lend(entry)

    def borrow(self, key: Key) -> Loan[V]:
        """The value of a key, loaded if needed, kept until the loan's block ends. Raises what `load` raises,
        and EngineFull when there is no room for it beside what is in use."""
        while True:
            with self._lock:
                entry = self._here.get(key)
                if entry is not None:
                    return self._lend(entry)
                coming = self._coming.get(key)
                mine = coming is None
                if coming is None:
                    coming = self._coming[key] = Future()
            if mine:
                return self._fetch(key, coming)
            coming.result()

    def pin(self, keys: frozenset[Key]) -> None:
        """Keeps these, once they are here, until others are pinned instead."""
        with self._lock:
            self._pinned = keys
            left = self._evict(self.limit_bytes)
        self._tell(left)

    def adopt(self, key: Key, value: V, size: int) -> None:
        """Takes in what came by another way than `load`; what is here already stays."""
        with self._lock:
            if key not in self._here:
                self._put(key, _Entry(value, size))

    def drop(self, key: Key) -> None:
        """Gives up a value that proved to be no good; its present users keep it."""
        with self._lock:
            entry = self._take_out(key)
        if entry is not None:
            self._discard(key, entry.value)

    def forget(self, key: Key) -> None:
        """Strikes off what somebody else has removed: nothing is discarded."""
        with self._lock:
            self._take_out(key)

    def shrink(self, limit_bytes: int) -> None:
        """Gives up the least wanted down to so many bytes."""
        with self._lock:
            left = self._evict(limit_bytes)
        self._tell(left)

    def reclaim(self) -> bool:
        """Gives up a tenth, at least one: memory has ended. False when nothing can be given up."""
        self._metrics.exhaust()
        with self._lock:
            left = self._evict(min(int(self._bytes * (1 - RECLAIM_SHARE)), self._bytes - 1))
        self._tell(left)
        return bool(left)

    def _lend(self, entry: _Entry[V]) -> Loan[V]:
        entry.users += 1
        self._metrics.hit()
        return Loan(entry.value, lambda: self._give_back(entry))

    def _fetch(self, key: Key, coming: Future[None]) -> Loan[V]:
        try:
            with self._metrics.time_load():
                value, size = self._load_with_room(key)
        except BaseException as error:
            self._metrics.fail()
            with self._lock:
                del self._coming[key]
            coming.set_exception(error)
            raise
        entry = _Entry(value, size, users=1)
        with self._lock:
            del self._coming[key]
            self._put(key, entry)
            left = self._evict(self.limit_bytes)
        self._metrics.load()
        coming.set_result(None)
        self._tell(left)
        return Loan(value, lambda: self._give_back(entry))

    def _load_with_room(self, key: Key) -> tuple[V, int]:
        while True:
            try:
                return self._load(key)
            except MemoryError as error:
                log.warning("no room; others are given up", tier=self.name, brand=key[0], bytes=self._bytes)
                if not self.reclaim():
                    raise EngineFull(
                        f"There is no room for version {key[1]!r} of brand {key[0]!r} in the tier "
                        f"{self.name!r} beside what is in use; send again soon"
                    ) from error

    def _give_back(self, entry: _Entry[V]) -> None:
        with self._lock:
            entry.users -= 1
            left = self._evict(self.limit_bytes)
        self._tell(left)

    def _put(self, key: Key, entry: _Entry[V]) -> None:
        # A key that was adopted while it was being loaded is replaced: same version, same bytes.
        self._take_out(key)
        self._here[key] = entry
        self._bytes += entry.size
        self._metrics.hold(self._bytes, len(self._here))

    def _take_out(self, key: Key) -> _Entry[V] | None:
        entry = self._here.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size
            self._metrics.hold(self._bytes, len(self._here))
        return entry

    def _evict(self, limit: int) -> list[tuple[Key, V]]:
        """Takes out the least wanted until `limit` bytes are left; under the lock, so telling comes after."""
        if self._bytes <= limit:
            return []
        free = [key for key, entry in self._here.items() if not entry.users and key not in self._pinned]
        left = []
        for key in sorted(free, key=self._popularity.order):
            if self._bytes <= limit:
                break
            entry = self._here.pop(key)
            self._bytes -= entry.size
            left.append((key, entry.value))
            self._metrics.evict()
        self._metrics.hold(self._bytes, len(self._here))
        return left

    def _tell(self, left: list[tuple[Key, V]]) -> None:
        for key, value in left:
            self._discard(key, value)
