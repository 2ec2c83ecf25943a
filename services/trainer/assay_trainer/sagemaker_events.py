"""EventBridge's `SageMaker Training Job State Change`, by SQS: wakes whoever watches that job, nothing more.

What an event says is not believed: it may be old, double, or about a job whose artifacts it does not name.
DescribeTrainingJob is the truth, and it is asked at intervals anyway; so an event that is lost, or that
another trainer took, costs an interval and nothing else.
"""

from __future__ import annotations

import json
import threading
from typing import Any

from assay_shared.aws import make_client, naming
from assay_shared.errors import AssayError
from assay_shared.logs import get_logger

DETAIL_TYPE = "SageMaker Training Job State Change"
WAIT_SECONDS = 20
"""SQS's longest poll."""
PAUSE_SECONDS = 30.0
"""After a queue that does not answer, until it is asked again."""

log = get_logger(__name__)


class EventQueue:
    """A thread that empties the queue for as long as this process lives; watchers register by job."""

    def __init__(self, queue_url: str, region: str, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._url, self._region, self._pause = queue_url, region, pause_seconds
        self._watchers: dict[str, threading.Event] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sagemaker-events", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the call at hand, which is not waited for."""
        self._stopped.set()

    def watch(self, job: str, news: threading.Event) -> None:
        """`news` is set whenever something is told of the job."""
        with self._lock:
            self._watchers[job] = news

    def forget(self, job: str) -> None:
        """Nobody watches the job any more."""
        with self._lock:
            self._watchers.pop(job, None)

    def handle(self, body: str) -> str | None:
        """Wakes who watches the job of a message; gives its name, None for what is no such event."""
        job = read_event(body)
        if job is not None:
            with self._lock:
                news = self._watchers.get(job)
            if news is not None:
                news.set()
        return job

    def _run(self) -> None:
        client, said = None, ""
        while not self._stopped.is_set():
            try:
                client = client or make_client("sqs", self._region, read_seconds=WAIT_SECONDS + 10)
                self._receive(client)
                said = ""
            except AssayError as error:
                if error.detail != said:
                    log.warning("event queue does not answer, jobs are polled", why=error.detail)
                said, client = error.detail, None
                self._stopped.wait(self._pause)

    def _receive(self, client: Any) -> None:
        with naming(f"reading the event queue {self._url}"):
            answer = client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT_SECONDS
            )
            for message in answer.get("Messages", []):
                if self.handle(message["Body"]) is None:
                    log.warning("foreign message in the event queue, deleted", body=message["Body"][:200])
                client.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])


def read_event(body: str) -> str | None:
    """The job's name in an event; None for anything else, however it looks."""
    try:
        event = json.loads(body)
        told = event["detail-type"], event["source"]
        name = event["detail"]["TrainingJobName"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return name if told == (DETAIL_TYPE, "aws.sagemaker") and isinstance(name, str) else None
