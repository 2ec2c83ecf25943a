"""The verification log: on disk before the answer goes out, in the registry whenever that answers."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from prometheus_client import Counter, Gauge
from pydantic import ValidationError

from assay_inference.delivery import Delivery
from assay_inference.partials import remove_leftovers, write_whole
from assay_shared import logs
from assay_shared.errors import AssayError, NotAllowed, NotAuthenticated, TooManyRequests, Unavailable
from assay_shared.wire import Verification

WAITING = Gauge("assay_verification_log_waiting", "verifications that the registry has not got yet")
REFUSED = Counter("assay_verification_log_refused", "verifications that the registry refused")
LATER = (Unavailable, NotAuthenticated, NotAllowed, TooManyRequests)
"""What is not the entry's fault: a wrong service token is a setting to mend."""

log = logs.get_logger(__name__)


class Registry(Protocol):
    """What is needed of the registry (`assay_shared.registry_client.RegistryClient` has it)."""

    def record_verification(self, verification: Verification) -> None:
        """Keeps a verification; idempotent by its id."""


class LogSpool:
    """A folder with one file for each verification that the registry has not taken yet.

    `add` returns when the entry is safe on disk. A thread delivers the oldest first, as often as it takes,
    also after a restart. What the registry refuses for good goes to `refused/` with the reason. Replicas may
    share the folder: each delivers what it finds, and what another one delivered first is gone.
    """

    def __init__(self, folder: Path, registry: Registry, retry_seconds: float = 5.0) -> None:
        self._folder = folder
        self._registry = registry
        self._delivery = Delivery("log-spool", self._deliver_and_count, retry_seconds)
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Starts delivering."""
        remove_leftovers(self._folder)
        self._delivery.start()

    def stop(self) -> None:
        """Stops delivering; what is left stays on disk for the next start."""
        self._delivery.stop()

    def add(self, verification: Verification) -> None:
        """Puts an entry safely on disk. Raises OSError when the disk does not take it."""
        entry = verification.model_dump_json().encode()
        write_whole(self._folder / f"{verification.id}.json", entry, durable=True)
        self._delivery.wake()

    def waiting(self) -> list[Path]:
        """The entries that are not delivered yet, oldest first (ids sort by time)."""
        return sorted(self._folder.glob("*.json"))

    def deliver(self) -> bool:
        """Delivers what waits; False when the registry does not take entries now."""
        for path in self.waiting():
            if self._delivery.stopping:
                return True
            try:
                verification = Verification.model_validate_json(path.read_bytes())
                logs.bind_request_id(verification.request_id)
                self._registry.record_verification(verification)
            except FileNotFoundError:
                continue  # delivered by another replica
            except LATER as error:
                log.warning("verification log waits", reason=error.detail)
                return False
            except ValidationError as error:
                self._refuse(path, f"the entry cannot be read: {error}")
            except AssayError as error:
                if error.status >= 500:
                    log.warning("verification log waits", reason=error.detail)
                    return False
                self._refuse(path, error.detail)
            else:
                path.unlink(missing_ok=True)
        return True

    def _refuse(self, path: Path, reason: str) -> None:
        aside = self._folder / "refused"
        aside.mkdir(exist_ok=True)
        write_whole(aside / f"{path.stem}.reason.txt", reason.encode())
        try:
            path.replace(aside / path.name)
        except FileNotFoundError:
            return  # put aside, and counted, by another replica
        log.error("verification was refused by the registry", entry=path.stem, reason=reason)
        REFUSED.inc()

    def _deliver_and_count(self) -> bool:
        try:
            return self.deliver()
        finally:
            WAITING.set(len(self.waiting()))
