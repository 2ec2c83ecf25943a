"""Brands that an operator keeps in memory: their live version is loaded at the start and never given up."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from pydantic import ValidationError

from assay_engine.models import Models
from assay_engine.popularity import Key
from assay_shared import logs
from assay_shared.errors import AssayError
from assay_shared.keys import LIVE, pointer_key
from assay_shared.wire import LivePointer

LOOK_SECONDS = 5.0
"""Between two looks at the brands' pointers: so long a new version may be as cold as any other."""
PINNED_SHARE = 0.5
"""Of the resident tier's budget that pinned brands may take: the others must have room."""

log = logs.get_logger(__name__)


class PointerStore(Protocol):
    """What is needed of the object store."""

    def get_json(self, bucket: str, key: str) -> object:
        """The value of a JSON object."""


class Pins:
    """Follows the live versions of some brands, and keeps those pinned in an engine's memory."""

    def __init__(self, models: Models, store: PointerStore, brands: Sequence[str]) -> None:
        self._models = models
        self._store = store
        self._brands = brands
        self._live: dict[str, Key] = {}
        self._stopping = threading.Event()

    def start(self) -> None:
        """Looks at once and then every LOOK_SECONDS, on a thread of its own."""
        if self._brands:
            threading.Thread(target=self._follow, name="pins", daemon=True).start()

    def stop(self) -> None:
        """Ends the thread after its present look."""
        self._stopping.set()

    def look(self) -> None:
        """Loads and pins what is live now. A version stays pinned until the next one is in memory; what
        cannot be had, or does not fit, is logged and served like any other brand."""
        for brand in self._brands:
            try:
                pointer = LivePointer.model_validate(self._store.get_json(LIVE, pointer_key(brand)))
                key = brand, pointer.version
                if self._live.get(brand) == key and key in self._models.resident:
                    continue
                self._models.popularity.use(key)
                self._models.load(key).result()
                self._live[brand] = key
            except (AssayError, OSError, ValidationError) as error:
                log.warning("pinned brand cannot be loaded", brand=brand, reason=str(error))
        self._models.resident.pin(self._choose())

    def _choose(self) -> frozenset[Key]:
        """The live versions, in the order of the setting, as far as they fit."""
        room = int(self._models.resident.limit_bytes * PINNED_SHARE)
        chosen: set[Key] = set()
        for key in self._live.values():
            room -= self._models.resident.size_of(key)
            if room < 0:
                log.warning("pinned brand does not fit", brand=key[0], share=PINNED_SHARE)
                break
            chosen.add(key)
        return frozenset(chosen)

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except Exception:
                log.exception("pins failed")
            self._stopping.wait(LOOK_SECONDS)
