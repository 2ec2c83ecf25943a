"""A job's log in CloudWatch, read on from where it was read last."""

from __future__ import annotations

from collections.abc import Iterator

from assay_shared.aws import AwsRefused, naming
from assay_trainer.aws_clients import AwsClients

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
PAGES = 50
"""Of 1 MB, that are read of one stream at once."""


class JobLog:
    """The lines of one job. `cursor` maps a stream (one for each instance and each attempt) to the token of
    what comes next; it may be kept, and given to the run's next owner."""

    def __init__(self, clients: AwsClients, job: str, cursor: dict[str, str]) -> None:
        self._clients, self._job, self.cursor = clients, job, dict(cursor)

    def read(self) -> Iterator[str]:
        """The lines since the last call, a stream after another in the order of their beginning.

        Raises the errors of `aws.naming`; the next call goes on with what this one did not give.
        """
        for stream in self._list_streams():
            yield from self._read_stream(stream)

    def _list_streams(self) -> list[str]:
        try:
            with naming(f"finding the log of the training job {self._job}"):
                pages = (
                    self._clients.get("logs")
                    .get_paginator("describe_log_streams")
                    .paginate(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{self._job}/")
                )
                found = [stream for page in pages for stream in page["logStreams"]]
        except AwsRefused as error:
            if error.extra.get("code") == "ResourceNotFoundException":
                return []  # No job has said anything yet.
            raise
        found.sort(key=lambda stream: (stream.get("creationTime", 0), stream["logStreamName"]))
        return [stream["logStreamName"] for stream in found]

    def _read_stream(self, stream: str) -> Iterator[str]:
        for _ in range(PAGES):
            token = self.cursor.get(stream)
            with naming(f"reading the log of the training job {self._job}"):
                answer = self._clients.get("logs").get_log_events(
                    logGroupName=LOG_GROUP,
                    logStreamName=stream,
                    startFromHead=True,
                    **({"nextToken": token} if token else {}),
                )
            yield from (event["message"] for event in answer["events"])
            # The token that comes back is the same one when there is nothing more for now.
            if answer["nextForwardToken"] == token:
                return
            self.cursor[stream] = answer["nextForwardToken"]
