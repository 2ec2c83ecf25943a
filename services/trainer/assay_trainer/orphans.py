"""Training jobs whose run is over: nobody will take what they make, so they are stopped.

They come about when a run is cancelled, or given up, while no trainer owns it.
"""

from __future__ import annotations

import threading

from assay_shared.aws import naming
from assay_shared.errors import AssayError
from assay_shared.logs import get_logger
from assay_shared.registry_client import RegistryClient
from assay_trainer.aws_clients import AwsClients
from assay_trainer.sagemaker_jobs import RunJobs
from assay_trainer.sagemaker_request import JOB_PREFIX, find_run

SWEEP_SECONDS = 60.0
MAX_RUNS = 1000
"""Runs that one question to the registry may name."""

log = get_logger(__name__)


def stop_orphans(clients: AwsClients, registry: RegistryClient) -> list[str]:
    """Stops every running job of a run that the registry says is over; gives the names.

    A job of a run that this registry does not know is another Assay's. Raises what AWS and the registry
    raise.
    """
    running = _list_running(clients)
    if not running:
        return []
    runs = sorted(running)[:MAX_RUNS]
    stopped = [name for run in registry.select_over(runs) for name in running[run]]
    for name in stopped:
        log.warning("training job stopped, its run is over", job=name)
        RunJobs(clients, "").stop(name)
    return stopped


def _list_running(clients: AwsClients) -> dict[str, list[str]]:
    """Names of running jobs by run."""
    found: dict[str, list[str]] = {}
    with naming("listing training jobs"):
        pages = clients.get("sagemaker").get_paginator("list_training_jobs")
        for page in pages.paginate(NameContains=f"{JOB_PREFIX}run-", StatusEquals="InProgress"):
            for job in page["TrainingJobSummaries"]:
                run = find_run(job["TrainingJobName"])
                if run is not None:
                    found.setdefault(run, []).append(job["TrainingJobName"])
    return found


class OrphanSweep:
    """A thread that stops orphans for as long as this process lives."""

    def __init__(self, clients: AwsClients, registry: RegistryClient, seconds: float = SWEEP_SECONDS) -> None:
        self._clients, self._registry, self._seconds = clients, registry, seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sagemaker-orphans", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the round at hand."""
        self._stopped.set()

    def _run(self) -> None:
        said = ""
        while not self._stopped.is_set():
            try:
                stop_orphans(self._clients, self._registry)
                said = ""
            except AssayError as error:
                if error.detail != said:
                    log.warning("orphaned training jobs not looked for", why=error.detail)
                said = error.detail
                self._clients.renew()
            self._stopped.wait(self._seconds)
