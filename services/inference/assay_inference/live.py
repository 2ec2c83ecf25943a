"""Follows bucket `live`: which brands there are, their products and keys, and which model version judges.

A thread looks at the bucket every few seconds and keeps a copy on disk, so that verifying starts and goes
on without the store. Nothing else is asked, neither registry nor database.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from assay_inference.partials import remove_leftovers, write_whole
from assay_inference.snapshot import LiveBrand, LiveModel, Snapshot, make_snapshot
from assay_shared import logs
from assay_shared.errors import AssayError, NotFound
from assay_shared.keys import LIVE, brand_key, model_json_key, pointer_key
from assay_shared.model_description import ModelDescription
from assay_shared.storage import StoredObject
from assay_shared.wire import LivePointer, PublishedBrand

SCAN_SHARE = 0.1
"""Share of its time that the thread may spend listing: with many brands it looks less often."""

MANY = 10_000
"""Names whose last look is remembered; callers may invent names."""

WAITING = 64
"""Callers with an unknown key that may wait for one scan; callers may invent keys."""

SLUG = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"

log = logs.get_logger(__name__)
T = TypeVar("T", bound=BaseModel)


class Store(Protocol):
    """What is needed of the object store (`assay_shared.storage.ObjectStore` has it)."""

    def get(self, bucket: str, key: str, limit: int | None = None) -> bytes:
        """The bytes of an object."""

    def stat(self, bucket: str, key: str) -> StoredObject | None:
        """What the store says of an object, or None."""

    def list(
        self, bucket: str, prefix: str = "", *, after: str | None = None, recursive: bool = True
    ) -> Iterator[StoredObject]:
        """All objects under a prefix."""


class LiveFollower:
    """Keeps a `snapshot` of bucket `live`.

    `scan` lists the whole bucket and reads what has changed; `refresh` looks at one brand now. A file that
    cannot be read is logged and what was known before stays. A new version takes effect only when its
    model.json was read. `on_promotion(brand, version)` is told of every version that goes live after the
    first scan. Replicas may share the folder: each knows what it read itself and starts from what any of them
    wrote last.
    """

    def __init__(self, store: Store, folder: Path, seconds: float) -> None:
        self._store = store
        self._folder = folder
        self._seconds = seconds
        self.on_promotion: Callable[[str, str], None] = lambda brand, version: None
        self._looks = ThreadPoolExecutor(2, thread_name_prefix="live-look")
        self._lock = threading.Lock()
        self._scanning = threading.Lock()
        self._etags: dict[str, str] = {}
        self._looked: dict[str, float] = {}
        self._looking: dict[str, asyncio.Future[None]] = {}
        self._refreshed: set[str] = set()
        self._around: asyncio.Task[None] | None = None
        self._waiting = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.snapshot = Snapshot()
        self.scanned = False
        self._next_scan = 0.0
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Reads the copy on disk, then follows the bucket on a thread until `stop`."""
        remove_leftovers(self._folder)
        self.restore()
        self._thread = threading.Thread(target=self._follow, name="live", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stopping.set()
        self._looks.shutdown(wait=False, cancel_futures=True)
        if self._thread is not None:
            self._thread.join(timeout=5)

    def restore(self) -> None:
        """Takes what the last run of this service left on disk."""
        brands = {}
        for path in sorted(self._folder.glob("*/brand.json")):
            slug = path.parent.name
            published = self._restore_file(brand_key(slug), PublishedBrand)
            if published is None:
                continue
            brand = _with_published(LiveBrand(published), published)
            pointer = self._restore_file(pointer_key(slug), LivePointer)
            if pointer is not None:
                description = self._restore_file(model_json_key(slug, pointer.version), ModelDescription)
                if description is not None:
                    brand = replace(brand, model=LiveModel(pointer.version, description))
                else:
                    self._etags.pop(pointer_key(slug), None)
            brands[slug] = brand
        self.snapshot = make_snapshot(brands)

    def scan(self) -> None:
        """Lists the bucket and reads what has changed. Raises StoreUnavailable.

        A brand that was refreshed while the list was on its way is left as it is: the list may be older.
        """
        with self._scanning:
            self._scan()

    async def look_at(self, slug: str) -> None:
        """Refreshes a brand that a request names: at once where it is unknown, else beside the request."""
        if not re.fullmatch(SLUG, slug):
            return
        if self._is_due(slug):
            look = asyncio.get_running_loop().run_in_executor(self._looks, self.refresh, slug)
            self._looking[slug] = look
            look.add_done_callback(lambda _: self._looking.pop(slug, None))
        if slug not in self.snapshot.brands and slug in self._looking:
            await asyncio.shield(self._looking[slug])

    async def look_around(self) -> None:
        """Scans the whole bucket as soon as that is due again for what it costs.

        Callers share one scan. Returns after `seconds` at the latest: the scan goes on and the next caller
        has what it found; beyond WAITING callers at once.
        """
        if self._around is None:
            self._around = asyncio.create_task(self._scan_when_due())
        if self._waiting >= WAITING:
            return
        self._waiting += 1
        try:
            await asyncio.wait({self._around}, timeout=self._seconds)
        finally:
            self._waiting -= 1

    async def _scan_when_due(self) -> None:
        try:
            await asyncio.sleep(self._next_scan - time.monotonic())
            await asyncio.get_running_loop().run_in_executor(self._looks, self.scan)
        except AssayError as error:
            log.warning("bucket `live` cannot be read", reason=error.detail)
        finally:
            self._around = None

    def refresh(self, slug: str) -> None:
        """Looks at one brand now. Never raises."""
        try:
            stats = [self._store.stat(LIVE, key) for key in (brand_key(slug), pointer_key(slug))]
            etags = {found.key: found.etag for found in stats if found is not None}
            if brand_key(slug) not in etags:
                return
            with self._lock:
                self._refreshed.add(slug)
                changed = self._update(slug, self.snapshot.brands.get(slug), etags)
                if changed is not None and changed != self.snapshot.brands.get(slug):
                    self.snapshot = make_snapshot({**self.snapshot.brands, slug: changed})
        except AssayError as error:
            log.warning("brand cannot be refreshed", brand=slug, reason=error.detail)

    def _is_due(self, slug: str) -> bool:
        """Whether the last look at a brand is `seconds` old; notes the time of this one if so."""
        now = time.monotonic()
        if now - self._looked.get(slug, -self._seconds) < self._seconds:
            return False
        if len(self._looked) > MANY:
            self._looked.clear()
        self._looked[slug] = now
        return True

    def _scan(self) -> None:
        started = time.monotonic()
        with self._lock:
            self._refreshed.clear()
        etags: dict[str, str] = {}
        for found in self._store.list(LIVE):
            if found.key.count("/") == 1:
                etags[found.key] = found.etag
        slugs = {key.split("/")[0] for key in etags if key.endswith("/brand.json")}
        with self._lock:
            kept = slugs | self._refreshed
            brands = {slug: brand for slug, brand in self.snapshot.brands.items() if slug in kept}
            for gone in self.snapshot.brands.keys() - kept:
                log.warning("brand is gone", brand=gone)
            for slug in sorted(slugs - self._refreshed):
                changed = self._update(slug, brands.get(slug), etags)
                if changed is not None:
                    brands[slug] = changed
            if brands != self.snapshot.brands:
                self.snapshot = make_snapshot(brands)
            self.scanned = True
        now = time.monotonic()
        self._next_scan = now + (now - started) / SCAN_SHARE

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                self.scan()
            except AssayError as error:
                log.warning("bucket `live` cannot be read", reason=error.detail)
            except Exception:
                log.exception("scan failed")
            self._stopping.wait(max(self._seconds, self._next_scan - time.monotonic()))

    def _update(self, slug: str, known: LiveBrand | None, etags: dict[str, str]) -> LiveBrand | None:
        """A brand after reading what has changed of it; `known` where nothing readable has."""
        brand = known
        if brand is None or self._etags.get(brand_key(slug)) != etags[brand_key(slug)]:
            published = self._fetch(brand_key(slug), etags[brand_key(slug)], PublishedBrand)
            if published is not None and published.slug != slug:
                log.error("brand.json names another brand", brand=slug, found=published.slug)
                published = None
            if published is not None:
                brand = _with_published(brand or LiveBrand(published), published)
        if brand is None:
            return None
        etag = etags.get(pointer_key(slug))
        if etag is None:
            return replace(brand, model=None) if brand.model else brand
        if brand.model is not None and self._etags.get(pointer_key(slug)) == etag:
            return brand
        return self._update_model(slug, brand, etag)

    def _update_model(self, slug: str, brand: LiveBrand, etag: str) -> LiveBrand:
        pointer = self._fetch(pointer_key(slug), etag, LivePointer)
        if pointer is None or (brand.model and brand.model.version == pointer.version):
            return brand
        description = self._fetch(model_json_key(slug, pointer.version), "", ModelDescription)
        if description is None:
            self._etags.pop(pointer_key(slug), None)
            return brand
        log.info("live version", brand=slug, version=pointer.version)
        if self.scanned:
            self.on_promotion(slug, pointer.version)
        return replace(brand, model=LiveModel(pointer.version, description))

    def _fetch(self, key: str, etag: str, form: type[T]) -> T | None:
        """An object in its form, copied to disk; None, with a log line, where it cannot be read.

        Its etag is remembered even if it is corrupt: the same bytes are not read again.
        """
        try:
            data = self._store.get(LIVE, key)
            value = form.model_validate_json(data)
        except NotFound:
            log.warning("object is missing in bucket `live`", key=key)
            return None
        except ValidationError as error:
            log.exception(
                "object in bucket `live` is corrupt and ignored", key=key, errors=error.error_count()
            )
            self._etags[key] = etag
            return None
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, orjson.dumps({"etag": etag, "object": data.decode()}))
        self._etags[key] = etag
        return value

    def _restore_file(self, key: str, form: type[T]) -> T | None:
        try:
            kept = orjson.loads((self._folder / key).read_bytes())
            value = form.model_validate_json(kept["object"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            log.warning("copy on disk is corrupt and ignored", key=key)
            return None
        self._etags[key] = str(kept["etag"])
        return value


def _with_published(brand: LiveBrand, published: PublishedBrand) -> LiveBrand:
    return replace(brand, published=published, keys=frozenset(key.sha256 for key in published.verify_keys))
