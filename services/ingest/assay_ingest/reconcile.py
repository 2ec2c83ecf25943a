"""The reconcile scan: finds in the inbox what no event told of, and models that still wait to be judged.

It is the only source of events over a store that sends none. An empty inbox costs one listing and one call
to the registry.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

import redis

from assay_ingest import metrics
from assay_ingest.clients import Clients
from assay_ingest.inbox import key_of, make_source
from assay_shared import logs
from assay_shared.errors import AssayError, BrokerUnavailable
from assay_shared.events import ObjectCreated
from assay_shared.keys import MODELS, UPLOADS, model_json_key, parse_upload_key
from assay_shared.queue import INGEST_OBJECT, MODEL_ARRIVED
from assay_shared.storage import StoredObject

BATCH = 1_000
"""Sources asked about in one call to the registry: about 200 KB."""
REMEMBERED = 200_000
"""Objects whose last sending is remembered; one more forgets the oldest, which is then sent again early."""
MAX_RESEND_SECONDS = 3_600.0
LOCK = "assay:reconcile-lock"
LOCK_SECONDS = 120
"""After which another replica may scan although the one that began has not ended: it died, or is slow, and
two scans at once do no harm."""

log = logs.get_logger(__name__)


class Pace:
    """When an object may be sent again: after a wait that doubles with every sending."""

    def __init__(self, first_seconds: float, remembered: int = REMEMBERED) -> None:
        self._first_seconds = first_seconds
        self._remembered = remembered
        self._sent: OrderedDict[tuple[str, str, str], tuple[float, float]] = OrderedDict()

    def admits(self, stored: StoredObject, now: float) -> bool:
        """Whether the object may be sent at `now` (seconds, monotonic)."""
        due, _ = self._sent.get(_identity(stored), (now, 0.0))
        return now >= due

    def note(self, stored: StoredObject, now: float) -> None:
        """Remembers that the object was sent at `now`."""
        _, wait = self._sent.pop(_identity(stored), (now, 0.0))
        wait = min(wait * 2 or self._first_seconds, MAX_RESEND_SECONDS)
        self._sent[_identity(stored)] = (now + wait, wait)
        while len(self._sent) > self._remembered:
            self._sent.popitem(last=False)


class Reconciler:
    """Scans on a thread of its own until stopped. Errors are logged and the next scan tries again."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._pace = Pace(clients.settings.resend_seconds)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconcile", daemon=True)
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._broker = redis.Redis.from_url(
            clients.settings.broker_url.get_secret_value(), socket_timeout=5, socket_connect_timeout=3
        )

    def start(self) -> None:
        """Begins with a scan at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the scan that runs."""
        self._stopped.set()
        self._thread.join(timeout=10)
        self._broker.close()

    @property
    def is_running(self) -> bool:
        """Whether the thread lives."""
        return self._thread.is_alive()

    def scan(self) -> int:
        """Looks through the inbox once, unless another replica does; gives how many tasks were sent.

        Raises Unavailable when the store, the registry or the broker is down.
        """
        with self._lock() as mine:
            if not mine:
                return 0
            sent = self._scan_uploads() + self._scan_models()
        if sent:
            metrics.RESENT.inc(sent)
            log.info("reconciled", sent=sent)
        return sent

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.scan()
            except AssayError as error:
                log.warning("reconcile scan failed", error=error.detail)
            except Exception:
                log.exception("reconcile scan crashed")
            self._stopped.wait(self._clients.settings.reconcile_seconds)

    def _scan_uploads(self) -> int:
        return sum(
            self._send(INGEST_OBJECT, stored)
            for batch in _batches(self._clients.store.list(UPLOADS))
            for stored in self._select_unknown(batch)
        )

    def _scan_models(self) -> int:
        sent = 0
        for place in self._clients.registry.list_awaited_models():
            stored = self._clients.store.stat(MODELS, model_json_key(place.brand, place.version))
            if stored:
                sent += self._send(MODEL_ARRIVED, stored)
        return sent

    def _select_unknown(self, batch: list[StoredObject]) -> list[StoredObject]:
        """Those of these objects that no record knows; keys of another form belong to nobody, so to these.

        Keys that end in a slash are folders, which consoles and SeaweedFS keep as empty objects.
        """
        keyed = [(stored, parse_upload_key(stored.key)) for stored in batch if not stored.key.endswith("/")]
        sources = [make_source(upload, stored) for stored, upload in keyed if upload]
        unknown = self._clients.registry.select_unknown(sources) if sources else []
        wanted = {(key_of(source), source.etag) for source in unknown}
        return [stored for stored, upload in keyed if not upload or (stored.key, stored.etag) in wanted]

    def _send(self, task: str, stored: StoredObject) -> bool:
        now = time.monotonic()
        if not self._pace.admits(stored, now):
            return False
        event = ObjectCreated(
            bucket=stored.bucket,
            key=stored.key,
            etag=stored.etag,
            size=stored.size,
            request_id=logs.new_request_id(),
        )
        self._clients.queue.send(task, event.model_dump(mode="json"))
        self._pace.note(stored, now)
        return True

    @contextmanager
    def _lock(self) -> Iterator[bool]:
        try:
            mine = bool(self._broker.set(LOCK, self._owner, nx=True, ex=LOCK_SECONDS))
        except (redis.RedisError, OSError) as error:
            raise BrokerUnavailable("The broker does not give the scan's lock") from error
        try:
            yield mine
        finally:
            if mine:
                self._unlock()

    def _unlock(self) -> None:
        try:
            if self._broker.get(LOCK) == self._owner.encode():
                self._broker.delete(LOCK)
        except (redis.RedisError, OSError) as error:
            log.warning("the scan's lock stays until it expires", error=str(error))


def _identity(stored: StoredObject) -> tuple[str, str, str]:
    return (stored.bucket, stored.key, stored.etag)


def _batches(found: Iterable[StoredObject]) -> Iterator[list[StoredObject]]:
    iterator = iter(found)
    while batch := list(islice(iterator, BATCH)):
        yield batch
