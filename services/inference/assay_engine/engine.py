"""The engine: pictures of many brands in, boxes out. One process, brands are data."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Protocol

import numpy as np

from assay_engine.cache import ModelCache, Store
from assay_engine.errors import ModelUnavailable
from assay_engine.framing import NOTHING, Found, Item, Pixels
from assay_engine.residents import Key, Residents
from assay_shared import logs
from assay_shared.errors import AssayError, InvalidRequest
from assay_shared.model_description import ModelDescription

LOADERS = 4
"""Threads that fetch and load models beside the one that computes."""

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
        """The boxes of uint8 pictures (n, side, side, 3)."""


class Runtime(Protocol):
    """How detectors are made on a device."""

    def load(self, weights: Path, description: ModelDescription) -> BrandDetector:
        """A detector from verified files."""

    def check(self) -> None:
        """Raises when the device does not compute."""


class Engine:
    """Detects for any (brand, version) in bucket `live`.

    Loads are single-flight, on threads of their own; brands that are in memory are served before those
    that must load; what is in memory stays within `memory_bytes`, least recently used out first.
    """

    def __init__(
        self, store: Store, folder: Path, runtime: Runtime, memory_bytes: int, disk_bytes: int
    ) -> None:
        self._cache = ModelCache(store, folder, disk_bytes)
        self._runtime = runtime
        self._residents: Residents[BrandDetector] = Residents(memory_bytes, self._load)
        self._loaders = ThreadPoolExecutor(LOADERS, thread_name_prefix="load")

    @property
    def resident_bytes(self) -> int:
        """Bytes of the models in memory."""
        return self._residents.size

    def detect(self, items: Sequence[Item]) -> list[Found | AssayError]:
        """One result for each item, in order; items of one brand run as one batch, brands one by one.

        An item's error is in its place and touches no item of another brand. An item whose picture has
        side 0 only loads its model and finds nothing. Raises nothing for bad items.
        """
        results: list[Found | AssayError] = [NOTHING] * len(items)
        places: dict[Key, list[int]] = {}
        for place, item in enumerate(items):
            places.setdefault((item.brand, item.version), []).append(place)
        here = [key for key in places if key in self._residents]
        coming: dict[Future[None], Key] = {
            self._loaders.submit(self._warm, key): key for key in places if key not in here
        }
        for key in here:
            self._detect_brand(key, items, places[key], results)
        for done in as_completed(coming):
            self._detect_brand(coming[done], items, places[coming[done]], results, done)
        return results

    def close(self) -> None:
        """Ends the loading threads."""
        self._loaders.shutdown(wait=False, cancel_futures=True)

    def _detect_brand(
        self,
        key: Key,
        items: Sequence[Item],
        places: list[int],
        results: list[Found | AssayError],
        loaded: Future[None] | None = None,
    ) -> None:
        try:
            if loaded is not None:
                loaded.result()
            with self._residents.borrow(key) as detector:
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
                if fit:
                    batch = np.stack([items[place].pixels for place in fit])
                    for place, found in zip(fit, detector.detect(batch), strict=True):
                        results[place] = found
        except AssayError as error:
            for place in places:
                results[place] = error
        except Exception as error:
            log.exception("brand failed", brand=key[0], version=key[1])
            for place in places:
                results[place] = ModelUnavailable(
                    f"Version {key[1]!r} of brand {key[0]!r} fails in the engine: {type(error).__name__}"
                )

    def _warm(self, key: Key) -> None:
        with self._residents.borrow(key):
            pass

    def _load(self, brand: str, version: str) -> tuple[BrandDetector, int]:
        files = self._cache.fetch(brand, version)
        try:
            detector = self._runtime.load(files.weights, files.description)
        except AssayError:
            raise
        except Exception as error:
            raise ModelUnavailable(
                f"Version {version!r} of brand {brand!r} cannot be loaded: {type(error).__name__}: {error}"
            ) from error
        log.info("model loaded", brand=brand, version=version, bytes=detector.size_bytes)
        return detector, detector.size_bytes
