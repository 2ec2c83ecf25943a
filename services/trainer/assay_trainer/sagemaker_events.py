"""EventBridge's `SageMaker Training Job State Change`, by SQS: wakes whoever watches that job, nothing more.

What an event says is not believed: it may be old, double, or about a job whose artifacts it does not name.
DescribeTrainingJob is the truth, and it is asked at intervals anyway; so an event that is lost, or that
another trainer took, costs an interval and nothing else.
"""

from __future__ import annotations

import json
import threading

from assay_shared.aws_queue import QueueReader
from assay_shared.logs import get_logger

DETAIL_TYPE = "SageMaker Training Job State Change"
PAUSE_SECONDS = 30.0
"""After a queue that does not answer, until it is asked again."""

log = get_logger(__name__)


class EventQueue:
    """Empties the queue on a thread, for as long as this process lives; watchers register by job."""

    def __init__(self, queue_url: str, region: str, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._reader = QueueReader(
            queue_url,
            region,
            self._take,
            trouble="event queue does not answer, jobs are polled",
            pause_seconds=pause_seconds,
        )
        self._watchers: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Starts the thread."""
        self._reader.start()

    def stop(self) -> None:
        """Ends the thread after the call at hand, which is not waited for."""
        self._reader.stop()

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

    def _take(self, body: str) -> None:
        if self.handle(body) is None:
            log.warning("foreign message in the event queue, deleted", body=body[:200])


def read_event(body: str) -> str | None:
    """The job's name in an event; None for anything else, however it looks."""
    try:
        event = json.loads(body)
        told = event["detail-type"], event["source"]
        name = event["detail"]["TrainingJobName"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return name if told == (DETAIL_TYPE, "aws.sagemaker") and isinstance(name, str) else None
