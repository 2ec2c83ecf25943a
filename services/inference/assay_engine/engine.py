"""The engine: pictures of many brands in, boxes out. One process, brands are data.

Where a brand's bytes live, and who may free them: `models.py`. Here they are only borrowed, for as long as a
request computes with them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path

import numpy as np

from assay_engine.budgets import Budgets
from assay_engine.cache import Store
from assay_engine.errors import EngineFull, ModelLoading, ModelUnavailable
from assay_engine.framing import Found, Item, Pixels
from assay_engine.metrics import COMPUTE_SECONDS, REQUEST_BRANDS, RUN_PICTURES
from assay_engine.models import Models
from assay_engine.pictures_by_brand import PicturesByBrand
from assay_engine.popularity import Key
from assay_engine.protocols import BrandDetector, ManyRuntime, Run, Runtime
from assay_engine.tiers import Loan
from assay_shared import logs
from assay_shared.errors import AssayError

Loans = dict[Key, Loan[BrandDetector]]
"""What a request has on loan and has not computed with yet."""

log = logs.get_logger(__name__)


class Engine:
    """Detects for any (brand, version) in bucket `live`. Safe to share between threads.

    Brands that are in memory are served before those that must load.
    """

    def __init__(self, store: Store, folder: Path, runtime: Runtime, budgets: Budgets) -> None:
        self._runtime = runtime
        self.models = Models(store, folder, runtime, budgets)

    def detect(self, items: Sequence[Item], wait_seconds: float | None = None) -> list[Found | AssayError]:
        """One result for each item, in order; items of one brand run as one batch, brands one by one or,
        where the runtime can, at once.

        An item's error is in its place and touches no item of another brand. An item whose picture has side
        0 announces pictures: its model's load is begun and not waited for, and it finds nothing. What is not
        loaded within `wait_seconds` (None: however long it takes) gets ModelLoading, and its load goes on.
        Raises nothing for bad items.
        """
        pictures = PicturesByBrand(items)
        REQUEST_BRANDS.observe(len(pictures.keys))
        for key in pictures.keys:
            self.models.popularity.use(key)
        coming = self._detect_or_load(pictures.keys, pictures)
        deadline = None if wait_seconds is None else time.monotonic() + wait_seconds
        while coming:
            patience = None if deadline is None else max(0.0, deadline - time.monotonic())
            done, late = wait(coming, patience, FIRST_COMPLETED)
            if not done:
                for loading in late:
                    key = coming[loading]
                    pictures.refuse(
                        key,
                        ModelLoading(
                            f"Version {key[1]!r} of brand {key[0]!r} is being loaded; send again soon"
                        ),
                    )
                break
            left = self._detect_loaded({coming.pop(loading): loading for loading in done}, pictures)
            coming |= self._detect_or_load(left, pictures)
        return pictures.results

    def close(self) -> None:
        """Ends the loading threads."""
        self.models.close()

    def _detect_or_load(self, keys: Sequence[Key], pictures: PicturesByBrand) -> dict[Future[None], Key]:
        """Detects with what is in memory, and begins to load the rest; the loads to be waited for."""
        coming: dict[Future[None], Key] = {}
        while keys:
            here: Loans = {}
            for key in keys:
                loan = self.models.resident.lend(key)
                if loan is not None:
                    here[key] = loan
                    continue
                loading = self.models.load(key)
                if pictures.are_shown(key):
                    coming[loading] = key
            keys = self._detect_here(here, pictures)
        return coming

    def _detect_loaded(self, loaded: dict[Key, Future[None]], pictures: PicturesByBrand) -> list[Key]:
        """As `_detect_here`, of what has just been loaded, or could not be."""
        here: Loans = {}
        gone = []
        for key, loading in loaded.items():
            try:
                loading.result()
            except Exception as error:
                pictures.refuse(key, _name(error, key))
                continue
            loan = self.models.resident.lend(key)
            if loan is not None:
                here[key] = loan
            else:
                gone.append(key)
        left = self._detect_here(here, pictures)
        for key in gone:
            self._detect_borrowed(key, pictures)
        return left

    def _detect_borrowed(self, key: Key, pictures: PicturesByBrand) -> None:
        """Loads here, in the rare case that a brand was given up as soon as it was loaded."""
        try:
            with self.models.resident.borrow(key) as detector:
                self._detect_brand(key, detector, pictures, {})
        except Exception as error:
            pictures.refuse(key, _name(error, key))

    def _detect_here(self, here: Loans, pictures: PicturesByBrand) -> list[Key]:
        """Brands that are on loan: at once where the runtime can, else, or should that fail, one by one. The
        loans end; what was let go before its turn is left."""
        keys = list(here)
        try:
            if (
                len(here) > 1
                and isinstance(self._runtime, ManyRuntime)
                and self._detect_at_once(self._runtime, here, pictures)
            ):
                return []
            tried = set()
            while here:
                key = next(iter(here))
                tried.add(key)
                with here.pop(key) as detector:
                    self._detect_brand(key, detector, pictures, here)
            return [key for key in keys if key not in tried]
        finally:
            _let_go(here)

    def _detect_at_once(self, runtime: ManyRuntime, here: Loans, pictures: PicturesByBrand) -> bool:
        runs, fits = [], []
        for key, loan in here.items():
            fit = pictures.find_fit(key, loan.value.image_size)
            if fit:
                fits.append(fit)
                runs.append(Run(loan.value, pictures.at(fit)))
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
            pictures.answer(fit, own)
        return True

    def _detect_brand(
        self, key: Key, detector: BrandDetector, pictures: PicturesByBrand, others: Loans
    ) -> None:
        fit = pictures.find_fit(key, detector.image_size)
        if not fit:
            return
        RUN_PICTURES.observe(len(fit))
        try:
            with COMPUTE_SECONDS.time():
                found = self._compute(detector, np.stack(pictures.at(fit)), others)
            pictures.answer(fit, found)
        except Exception as error:
            pictures.refuse(key, _name(error, key), fit)

    def _compute(self, detector: BrandDetector, batch: Pixels, others: Loans) -> list[Found]:
        """Detects; gives up what is least wanted as often as the device has no room, and lets go of the
        `others` of this request first, which nobody could give up else. Raises EngineFull."""
        while True:
            try:
                return detector.detect(batch)
            except MemoryError as error:
                log.warning("no room to compute; models are given up", pictures=len(batch))
                _let_go(others)
                if not self.models.resident.reclaim():
                    raise EngineFull(
                        f"The device has no room to compute {len(batch)} pictures; send fewer at once"
                    ) from error


def _let_go(loans: Loans) -> None:
    while loans:
        with loans.popitem()[1]:
            pass


def _name(error: BaseException, key: Key) -> AssayError:
    """An error of the tree for whatever went wrong with one brand."""
    if isinstance(error, AssayError):
        return error
    log.error("brand failed", brand=key[0], version=key[1], exc_info=error)
    return ModelUnavailable(
        f"Version {key[1]!r} of brand {key[0]!r} fails in the engine: {type(error).__name__}"
    )
