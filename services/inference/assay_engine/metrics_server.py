"""`/metrics` of the engine: what the worker processes count, added up beside them.

TorchServe could carry a handler's figures too, but through lines of its log, by names and dimensions that are
declared beforehand, and without histograms. Here each worker counts in files (prometheus_client, multiprocess
mode), and the process that started TorchServe reads them, so a worker that is busy or dead is no gap.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from assay_shared import logs

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that makes the workers count in files."""

log = logs.get_logger(__name__)


class WorkersCollector(Collector):
    """The figures of all workers; what a dead one counted stays, what it held is gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """All metrics, as they are now."""
        for pid in {int(path.stem.rpartition("_")[2]) for path in self._folder.glob("gauge_live*.db")}:
            if not psutil.pid_exists(pid):
                mark_process_dead(pid, str(self._folder))  # type: ignore[no-untyped-call]
        found: Iterable[Metric] = MultiProcessCollector(None, str(self._folder)).collect()  # type: ignore[no-untyped-call]
        return found


def clear_figures(folder: Path) -> None:
    """Makes an empty folder for workers to count in."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def serve_figures(folder: Path, host: str, port: int) -> None:
    """Answers `/metrics` on a thread of its own; a port that is taken is logged, and verifying goes on."""
    registry = CollectorRegistry()
    registry.register(WorkersCollector(folder))
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        log.warning(
            "figures cannot be served", port=port, reason=str(error), setting="ASSAY_ENGINE_METRICS_PORT"
        )
