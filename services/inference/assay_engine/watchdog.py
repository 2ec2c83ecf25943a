"""Watches TorchServe from beside it: real predictions and its own count of workers, and two remedies.

TorchServe restarts a worker that crashed, but gives up after a while, and then requests hang, all of them or,
where other workers are left, none: then only the rate falls, and the count tells. Only scaling to no worker
and back recovers that (seen with 0.12.0). If no prediction is answered even then, Java is started anew.
"""

from __future__ import annotations

import time

import httpx

from assay_engine import framing
from assay_engine.errors import BadFrame
from assay_engine.settings import TorchServeSettings
from assay_shared import logs

MODEL = "engine"
READY = "READY"
PROBE_TIMEOUT = 10.0
"""Seconds; a probe waits in line behind batches."""
STARTUP_SECONDS = 120.0
"""Importing torch on a slow disk takes its time; no remedy before that."""
BOOTS = 2
"""Without an answer for so many times what the first one took, workers are started anew."""
MISSING_SECONDS = 60.0
"""With fewer workers than there should be, until they are started anew. One that crashed is back in 3 s, and
after ten crashes in 50: scaling takes those along that work."""

log = logs.get_logger(__name__)


class Watchdog:
    """Decides from probes what TorchServe needs. `start` with Java, then `keep_answering` regularly."""

    def __init__(self, settings: TorchServeSettings, workers: int) -> None:
        host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104  (compared, not bound)
        self._predict = f"http://{host}:{settings.torchserve_port}/predictions/{MODEL}"
        self._model = f"http://127.0.0.1:{settings.torchserve_management_port}/models/{MODEL}"
        # No connection outlives Java, and none is made secure anew for each probe.
        self._http = httpx.Client(
            timeout=PROBE_TIMEOUT, limits=httpx.Limits(max_keepalive_connections=0), trust_env=False
        )
        self._workers = workers
        self._hang_seconds = settings.hang_seconds
        self._alive_file = settings.alive_file
        self._patience = STARTUP_SECONDS
        self._answered = time.monotonic()
        self._rescaled = False
        self._complete = self._started = time.monotonic()
        self._booting = True

    def start(self) -> None:
        """Java has just been started."""
        self._patience = max(STARTUP_SECONDS, self._hang_seconds)
        self._answered = self._complete = self._started = time.monotonic()
        self._rescaled = False
        self._booting = True

    def stop(self) -> None:
        """Ends its connections."""
        self._http.close()

    def keep_answering(self) -> bool:
        """Probes once; rescales when nothing was answered for too long. False: start Java anew."""
        if self._probe():
            if self._alive_file is not None:
                self._alive_file.touch()
            self._answered = time.monotonic()
            if self._booting:
                # A worker that TorchServe restarts takes as long; starting it anew meanwhile would never end.
                self._patience = max(self._hang_seconds, BOOTS * (self._answered - self._started))
                self._booting = False
            self._rescaled = False
            self._restore_workers()
            return True
        if time.monotonic() - self._answered < self._patience:
            return True
        if self._rescaled:
            return False
        log.error("no prediction is answered; workers are started anew", seconds=self._patience)
        self._rescaled = True
        self._answered = time.monotonic()
        return self._rescale()

    def _restore_workers(self) -> None:
        """Starts the workers anew when some have been missing for MISSING_SECONDS though others answer."""
        now = time.monotonic()
        ready = self.count_ready()
        if ready is None or ready >= self._workers:
            self._complete = now
        elif now - self._complete >= MISSING_SECONDS:
            log.error("workers were given up and are started anew", ready=ready, wanted=self._workers)
            self._complete = now
            self._rescale()

    def count_ready(self) -> int | None:
        """The workers that TorchServe calls ready; None where it does not say."""
        try:
            answer = self._http.get(self._model)
            [model] = answer.raise_for_status().json()
            return [worker["status"] for worker in model["workers"]].count(READY)
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None

    def _probe(self) -> bool:
        try:
            answer = self._http.post(
                self._predict,
                content=framing.write_request([]),
                headers={"Content-Type": framing.CONTENT_TYPE},
            )
            return answer.is_success and framing.read_response(answer.content) == []
        except (httpx.HTTPError, BadFrame):
            return False

    def _rescale(self) -> bool:
        try:
            for count in (0, self._workers):
                answer = self._http.put(
                    self._model,
                    params={"min_worker": count, "max_worker": count, "synchronous": "true"},
                    timeout=60,
                )
                answer.raise_for_status()
        except httpx.HTTPError as error:
            log.exception("scaling failed", reason=str(error))
            return False
        return True
