"""An SQS queue that a thread empties. SQS delivers at least once and in no order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from assay_shared.aws import make_client, naming
from assay_shared.errors import AssayError
from assay_shared.logs import get_logger

WAIT_SECONDS = 20
"""SQS's longest poll."""

log = get_logger(__name__)


class QueueReader:
    """Gives every message's body to `handle`, for as long as this process lives. A message is deleted when
    `handle` returns; when it raises, it comes again after the queue's visibility timeout.

    A queue that does not answer is asked again after a pause; `trouble` is what the log says of that, once
    for each reason.
    """

    def __init__(
        self,
        queue_url: str,
        region: str,
        handle: Callable[[str], object],
        *,
        trouble: str,
        pause_seconds: float,
    ) -> None:
        self._url, self._region, self._handle = queue_url, region, handle
        self._trouble, self._pause = trouble, pause_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="aws-queue", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the call at hand, which is not waited for."""
        self._stopped.set()

    def _run(self) -> None:
        client, said = None, ""
        while not self._stopped.is_set():
            try:
                client = client or make_client("sqs", self._region, read_seconds=WAIT_SECONDS + 10)
                self._receive(client)
                said = ""
            except AssayError as error:
                if error.detail != said:
                    log.warning(self._trouble, queue=self._url, why=error.detail)
                # Credentials are read anew: a person may have mended them.
                said, client = error.detail, None
                self._stopped.wait(self._pause)
            except Exception:
                log.exception("reading the queue crashed", queue=self._url)
                self._stopped.wait(self._pause)

    def _receive(self, client: Any) -> None:
        with naming(f"reading the queue {self._url}"):
            answer = client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT_SECONDS
            )
            for message in answer.get("Messages", []):
                self._handle(message["Body"])
                client.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
