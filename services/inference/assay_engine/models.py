"""The engine's models: where a brand's bytes live, and who frees them.

    resident   `BrandDetector`s, ready to compute       a `Tier`, `Models.resident`
    host       verified files in memory, or slabs in    a `Tier`, `Models.host`
               pinned memory; only where the runtime
               computes on a device
    disk       files in a folder, shared by workers     a `Tier` inside `Models.cache`
    store      bucket `live`                            the registry; the engine only reads

A model is loaded from tier to tier, upwards, and given up by each on its own: by how much it is wanted
(`popularity.py`), never while it is borrowed or pinned. A GPU's weight slots (`slots.py`) hold copies of what
is resident, few and fixed: they are the runtime's and belong to no brand.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from assay_engine.budgets import Budgets
from assay_engine.cache import ModelCache, ModelFiles, Store
from assay_engine.errors import ModelUnavailable
from assay_engine.popularity import Key, Popularity
from assay_engine.protocols import BrandDetector, Runtime, Staged, StagingRuntime
from assay_engine.tiers import Tier
from assay_shared import logs
from assay_shared.errors import AssayError

READERS = 2
"""Threads that load from disk: they compute hashes, so more would only take turns."""
FETCHERS = 8
"""Threads that load from the store: they wait for it, ten seconds when it hangs, and hold up no reader."""
NICENESS = 10
"""That these threads have more than others, on Linux: where all cores compute, a load takes a tenth of one.
Without it 100 loads in a row made the p99 of warm brands 2.2 times what it is (`python -m
bench.engine_tiers`)."""
RETRY_SECONDS = 1.0
"""After a load has failed: a corrupt brand that is asked for all the time must not keep the threads busy."""

log = logs.get_logger(__name__)


class Models:
    """Any (brand, version) of bucket `live`, brought into memory and given up again. Safe to share between
    threads.

    Loads are single-flight, on threads of their own.
    """

    def __init__(self, store: Store, folder: Path, runtime: Runtime, budgets: Budgets) -> None:
        self._runtime = runtime
        self.popularity = Popularity()
        self.cache = ModelCache(store, folder, budgets.disk_bytes, self.popularity)
        self.host: Tier[ModelFiles | Staged] | None = None
        if runtime.has_device:
            self.host = Tier("host", budgets.host_bytes, self._read, self.popularity, self._leave_memory)
        self.resident: Tier[BrandDetector] = Tier(
            "resident", budgets.resident_bytes, self._place, self.popularity, self._leave_memory
        )
        self._readers = ThreadPoolExecutor(READERS, "read", initializer=_step_back)
        self._fetchers = ThreadPoolExecutor(FETCHERS, "fetch", initializer=_step_back)
        self._lock = threading.Lock()
        self._coming: dict[Key, Future[None]] = {}
        self._failed: dict[Key, tuple[float, BaseException]] = {}

    def load(self, key: Key) -> Future[None]:
        """Begins to bring a model into memory; done when it is there, and raises what kept it away. What has
        just failed is not tried again for RETRY_SECONDS."""
        with self._lock:
            loading = self._coming.get(key)
            if loading is not None:
                return loading
            failed = self._failed.get(key)
            if failed is not None and time.monotonic() < failed[0]:
                refused: Future[None] = Future()
                refused.set_exception(failed[1])
                return refused
            near = key in self.cache or (self.host is not None and key in self.host)
            loading = (self._readers if near else self._fetchers).submit(self._warm, key)
            self._coming[key] = loading
            return loading

    def close(self) -> None:
        """Ends the loading threads."""
        for pool in (self._readers, self._fetchers):
            pool.shutdown(wait=False, cancel_futures=True)

    def _warm(self, key: Key) -> None:
        failure: BaseException | None = None
        try:
            with self.resident.borrow(key):
                pass
        except BaseException as error:
            failure = error
            raise
        finally:
            now = time.monotonic()
            with self._lock:
                del self._coming[key]
                if failure is not None:
                    self._failed = {one: held for one, held in self._failed.items() if held[0] > now}
                    self._failed[key] = now + RETRY_SECONDS, failure

    def _place(self, key: Key) -> tuple[BrandDetector, int]:
        """Into tier `resident`, from the one below."""
        if self.host is None:
            detector = self._build(key, self.cache.read(*key))
        else:
            with self.host.borrow(key) as files:
                detector = self._build(key, files)
        log.info("model loaded", brand=key[0], version=key[1], bytes=detector.size_bytes)
        return detector, detector.size_bytes

    def _build(self, key: Key, held: ModelFiles | Staged) -> BrandDetector:
        with _named(key):
            if isinstance(held, ModelFiles):
                return self._runtime.load(held.weights, held.description)
            if not isinstance(self._runtime, StagingRuntime):
                raise TypeError("what is staged is not this runtime's")
            return self._runtime.place(held)

    def _read(self, key: Key) -> tuple[ModelFiles | Staged, int]:
        """Into tier `host`, from the disk."""
        files = self.cache.read(*key)
        if not isinstance(self._runtime, StagingRuntime):
            return files, len(files.weights)
        with _named(key):
            staged = self._runtime.stage(files.weights, files.description)
        return staged, staged.size_bytes

    def _leave_memory(self, key: Key, _value: object) -> None:
        self.cache.note_rank(key)


def _step_back() -> None:
    """Lets threads that compute go before this one. Those that it starts inherit that."""
    if sys.platform == "linux":
        # Linux keeps niceness by thread; elsewhere this would be the whole process.
        os.nice(NICENESS)


@contextmanager
def _named(key: Key) -> Iterator[None]:
    """Names the brand in whatever a runtime raises, but for what the engine knows already."""
    try:
        yield
    except (AssayError, MemoryError):
        raise
    except Exception as error:
        raise ModelUnavailable(
            f"Version {key[1]!r} of brand {key[0]!r} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
