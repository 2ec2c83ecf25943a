"""Watches TorchServe from beside it: real predictions, and two remedies when none is answered.

TorchServe restarts a worker that crashed, but gives up after a while, and then requests hang; only scaling
to no worker and back recovers that (seen with 0.12.0). If that does not help, Java is started anew.
"""

from __future__ import annotations

import time

import httpx

from assay_engine import framing
from assay_engine.errors import BadFrame
from assay_engine.settings import TorchServeSettings
from assay_shared import logs

MODEL = "engine"
PROBE_TIMEOUT = 10.0
"""Seconds; a probe waits in line behind batches."""
STARTUP_SECONDS = 120.0
"""Importing torch on a slow disk takes its time; no remedy before that."""

log = logs.get_logger(__name__)


class Watchdog:
    """Decides from probes what TorchServe needs. `start` with Java, then `keep_answering` regularly."""

    def __init__(self, settings: TorchServeSettings, workers: int) -> None:
        host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104  (compared, not bound)
        self._predict = f"http://{host}:{settings.torchserve_port}/predictions/{MODEL}"
        self._model = f"http://127.0.0.1:{settings.torchserve_management_port}/models/{MODEL}"
        self._workers = workers
        self._hang_seconds = settings.hang_seconds
        self._alive_file = settings.alive_file
        self._patience = STARTUP_SECONDS
        self._answered = time.monotonic()
        self._rescaled = False

    def start(self) -> None:
        """Java has just been started."""
        self._patience = max(STARTUP_SECONDS, self._hang_seconds)
        self._answered = time.monotonic()
        self._rescaled = False

    def keep_answering(self) -> bool:
        """Probes once; rescales when nothing was answered for too long. False: start Java anew."""
        if self._probe():
            if self._alive_file is not None:
                self._alive_file.touch()
            self._answered = time.monotonic()
            self._patience = self._hang_seconds
            self._rescaled = False
            return True
        if time.monotonic() - self._answered < self._patience:
            return True
        if self._rescaled:
            return False
        log.error("no prediction is answered; workers are started anew", seconds=self._patience)
        self._rescaled = True
        self._answered = time.monotonic()
        return self._rescale()

    def _probe(self) -> bool:
        try:
            answer = httpx.post(
                self._predict,
                content=framing.write_request([]),
                headers={"Content-Type": framing.CONTENT_TYPE},
                timeout=PROBE_TIMEOUT,
                trust_env=False,
            )
            return answer.is_success and framing.read_response(answer.content) == []
        except (httpx.HTTPError, BadFrame):
            return False

    def _rescale(self) -> bool:
        try:
            for count in (0, self._workers):
                answer = httpx.put(
                    self._model,
                    params={"min_worker": count, "max_worker": count, "synchronous": "true"},
                    timeout=60,
                    trust_env=False,
                )
                answer.raise_for_status()
        except httpx.HTTPError as error:
            log.exception("scaling failed", reason=str(error))
            return False
        return True
