"""The engine: pictures of many brands in, boxes out. One process, brands are data.

Where a brand's bytes live, and who frees them:

    resident   `BrandDetector`s, ready to compute       a `Tier`, `Engine.resident`
    host       verified files in memory, or slabs in    a `Tier`, `Engine._host`
               pinned memory; only where the runtime
               computes on a device
    disk       files in a folder, shared by workers     a `Tier` inside `Engine.cache`
    store      bucket `live`                            the registry; the engine only reads

A model is loaded from tier to tier, upwards, and given up by each on its own: by how much it is wanted
(`popularity.py`), never while it is borrowed or pinned. A GPU's weight slots (`slots.py`) hold copies of what
is resident, few and fixed: they are the runtime's and belong to no brand.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from assay_engine.budgets import Budgets
from assay_engine.cache import ModelCache, ModelFiles, Store
from assay_engine.errors import EngineFull, ModelLoading, ModelUnavailable
from assay_engine.framing import NOTHING, Found, Item, Pixels
from assay_engine.metrics import COMPUTE_SECONDS, REQUEST_BRANDS, RUN_PICTURES
from assay_engine.popularity import Key, Popularity
from assay_engine.tiers import Loan, Tier
from assay_shared import logs
from assay_shared.errors import AssayError, InvalidRequest
from assay_shared.model_description import ModelDescription

READERS = 2
"""Threads that load from disk: they compute hashes, so more would only take turns."""
FETCHERS = 8
"""Threads that load from the store: they wait for it, ten seconds when it hangs, and hold up no reader."""
RETRY_SECONDS = 1.0
"""After a load has failed: a corrupt brand that is asked for all the time must not keep the threads busy."""

log = logs.get_logger(__name__)


class BrandDetector(Protocol):
    """One model version ready to run."""

    @property
    def image_size(self) -> int:
        """Side of the pictures that it takes, in pixels."""

    @property
    def size_bytes(self) -> int:
        """Memory that it holds, in bytes."""

    def detect(self, batch: Pixels) -> list[Found]:
        """The boxes of uint8 pictures (n, side, side, 3). Raises MemoryError when the device has no room."""


class Runtime(Protocol):
    """How detectors are made and run."""

    @property
    def has_device(self) -> bool:
        """Whether detectors lie in other memory than the host's."""

    def load(self, weights: Path | bytes, description: ModelDescription) -> BrandDetector:
        """A detector from a verified file or its bytes. Raises MemoryError when the device has no room."""

    def check(self) -> None:
        """Raises when the device does not compute."""


@dataclass(frozen=True)
class Run:
    """Pictures (side, side, 3) for one detector."""

    detector: BrandDetector
    pictures: Sequence[Pixels]


@runtime_checkable
class ManyRuntime(Protocol):
    """A runtime that computes several brands at once."""

    def detect_many(self, runs: Sequence[Run]) -> list[list[Found]]:
        """The boxes of each run's pictures. Raises MemoryError when the device has no room; whatever it
        raises, the engine tries the brands one by one, so that one brand's fault is no other's."""


class Staged(Protocol):
    """A model version in the host's memory, ready to be copied to the device."""

    @property
    def size_bytes(self) -> int:
        """Memory that it holds, in bytes."""


@runtime_checkable
class StagingRuntime(Protocol):
    """A runtime that keeps models in the host's memory in a form of its own."""

    def stage(self, weights: Path | bytes, description: ModelDescription) -> Staged:
        """What is kept of a verified file. Raises MemoryError when the host has no room."""

    def place(self, staged: Any) -> BrandDetector:
        """A detector from what `stage` gave. Raises MemoryError when the device has no room."""


class Engine:
    """Detects for any (brand, version) in bucket `live`. Safe to share between threads.

    Loads are single-flight, on threads of their own; brands that are in memory are served before those that
    must load.
    """

    def __init__(self, store: Store, folder: Path, runtime: Runtime, budgets: Budgets) -> None:
        self._runtime = runtime
        self.popularity = Popularity()
        self.cache = ModelCache(store, folder, budgets.disk_bytes, self.popularity)
        self._host: Tier[ModelFiles | Staged] | None = None
        if runtime.has_device:
            self._host = Tier("host", budgets.host_bytes, self._read, self.popularity, self._leave_memory)
        self.resident: Tier[BrandDetector] = Tier(
            "resident", budgets.resident_bytes, self._place, self.popularity, self._leave_memory
        )
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="read")
        self._fetchers = ThreadPoolExecutor(FETCHERS, thread_name_prefix="fetch")
        self._lock = threading.Lock()
        self._coming: dict[Key, Future[None]] = {}
        self._failed: dict[Key, tuple[float, BaseException]] = {}

    def detect(self, items: Sequence[Item], wait_seconds: float | None = None) -> list[Found | AssayError]:
        """One result for each item, in order; items of one brand run as one batch, brands one by one or,
        where the runtime can, at once.

        An item's error is in its place and touches no item of another brand. An item whose picture has side
        0 announces pictures: its model's load is begun and not waited for, and it finds nothing. What is not
        loaded within `wait_seconds` (None: however long it takes) gets ModelLoading, and its load goes on.
        Raises nothing for bad items.
        """
        results: list[Found | AssayError] = [NOTHING] * len(items)
        places: dict[Key, list[int]] = {}
        for place, item in enumerate(items):
            places.setdefault((item.brand, item.version), []).append(place)
        REQUEST_BRANDS.observe(len(places))
        here: dict[Key, Loan[BrandDetector]] = {}
        coming: dict[Future[None], Key] = {}
        for key, own in places.items():
            self.popularity.use(key)
            loan = self.resident.lend(key)
            if loan is not None:
                here[key] = loan
                continue
            loading = self.load(key)
            if any(items[place].pixels.size for place in own):
                coming[loading] = key
        self._detect_here(here, items, places, results)
        deadline = None if wait_seconds is None else time.monotonic() + wait_seconds
        while coming:
            patience = None if deadline is None else max(0.0, deadline - time.monotonic())
            done, late = wait(coming, patience, FIRST_COMPLETED)
            loaded = {coming.pop(loading): loading for loading in done}
            self._detect_loaded(loaded, items, places, results)
            if not done:
                for loading in late:
                    key = coming[loading]
                    error = ModelLoading(
                        f"Version {key[1]!r} of brand {key[0]!r} is being loaded; send again soon"
                    )
                    _fill(results, places[key], error)
                break
        return results

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
            near = key in self.cache or (self._host is not None and key in self._host)
            loading = (self._readers if near else self._fetchers).submit(self._warm, key)
            self._coming[key] = loading
            return loading

    def close(self) -> None:
        """Ends the loading threads."""
        for pool in (self._readers, self._fetchers):
            pool.shutdown(wait=False, cancel_futures=True)

    def _detect_loaded(
        self,
        loaded: dict[Key, Future[None]],
        items: Sequence[Item],
        places: dict[Key, list[int]],
        results: list[Found | AssayError],
    ) -> None:
        here: dict[Key, Loan[BrandDetector]] = {}
        for key, loading in loaded.items():
            try:
                loading.result()
                loan = self.resident.lend(key)
                if loan is not None:
                    here[key] = loan
                    continue
                # Loaded again here in the rare case that it was given up since.
                with self.resident.borrow(key) as detector:
                    self._detect_brand(key, detector, items, places[key], results)
            except Exception as error:
                _fill(results, places[key], _name(error, key))
        self._detect_here(here, items, places, results)

    def _detect_here(
        self,
        here: dict[Key, Loan[BrandDetector]],
        items: Sequence[Item],
        places: dict[Key, list[int]],
        results: list[Found | AssayError],
    ) -> None:
        """Brands that are in memory: at once where the runtime can, else, or should that fail, one by one."""
        with ExitStack() as stack:
            for loan in here.values():
                stack.push(loan.__exit__)
            if (
                len(here) > 1
                and isinstance(self._runtime, ManyRuntime)
                and self._detect_at_once(self._runtime, here, items, places, results)
            ):
                return
            stack.pop_all()
            for key, loan in here.items():
                with loan as detector:
                    self._detect_brand(key, detector, items, places[key], results)

    def _detect_at_once(
        self,
        runtime: ManyRuntime,
        here: dict[Key, Loan[BrandDetector]],
        items: Sequence[Item],
        places: dict[Key, list[int]],
        results: list[Found | AssayError],
    ) -> bool:
        runs, fits = [], []
        for key, loan in here.items():
            detector = loan.value
            fit = _find_fit(key, detector, items, places[key], results)
            if fit:
                fits.append(fit)
                runs.append(Run(detector, [items[place].pixels for place in fit]))
        if not runs:
            return True
        try:
            with COMPUTE_SECONDS.time():
                found = runtime.detect_many(runs)
        except Exception as error:
            log.warning("brands are computed one by one", brands=len(runs), reason=str(error)[:200])
            return False
        for fit, own in zip(fits, found, strict=True):
            RUN_PICTURES.observe(len(fit))
            for place, one in zip(fit, own, strict=True):
                results[place] = one
        return True

    def _detect_brand(
        self,
        key: Key,
        detector: BrandDetector,
        items: Sequence[Item],
        places: list[int],
        results: list[Found | AssayError],
    ) -> None:
        fit = _find_fit(key, detector, items, places, results)
        if not fit:
            return
        RUN_PICTURES.observe(len(fit))
        try:
            with COMPUTE_SECONDS.time():
                found = self._compute(detector, np.stack([items[place].pixels for place in fit]))
            for place, one in zip(fit, found, strict=True):
                results[place] = one
        except Exception as error:
            _fill(results, fit, _name(error, key))

    def _compute(self, detector: BrandDetector, batch: Pixels) -> list[Found]:
        """Detects; gives up what is least wanted as often as the device has no room. Raises EngineFull."""
        while True:
            try:
                return detector.detect(batch)
            except MemoryError as error:
                log.warning("no room to compute; models are given up", pictures=len(batch))
                if not self.resident.reclaim():
                    raise EngineFull(
                        f"The device has no room to compute {len(batch)} pictures; send fewer at once"
                    ) from error

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
        if self._host is None:
            detector = self._build(key, self.cache.read(*key))
        else:
            with self._host.borrow(key) as files:
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


def _find_fit(
    key: Key,
    detector: BrandDetector,
    items: Sequence[Item],
    places: list[int],
    results: list[Found | AssayError],
) -> list[int]:
    """The places of pictures that the detector takes; the others get their error."""
    fit = []
    for place in places:
        side = items[place].pixels.shape[0]
        if side == detector.image_size:
            fit.append(place)
        elif side:
            results[place] = InvalidRequest(
                f"Version {key[1]!r} of brand {key[0]!r} takes pictures of side "
                f"{detector.image_size}, not {side}"
            )
    return fit


def _fill(results: list[Found | AssayError], places: list[int], error: AssayError) -> None:
    # Its traceback holds the frames, and they the detector that could not compute: no memory would be freed.
    error.__traceback__ = error.__cause__ = error.__context__ = None
    for place in places:
        results[place] = error


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


def _name(error: BaseException, key: Key) -> AssayError:
    """An error of the tree for whatever went wrong with one brand."""
    if isinstance(error, AssayError):
        return error
    log.error("brand failed", brand=key[0], version=key[1], exc_info=error)
    return ModelUnavailable(
        f"Version {key[1]!r} of brand {key[0]!r} fails in the engine: {type(error).__name__}"
    )
