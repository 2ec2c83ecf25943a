"""The Celery entry: `celery -A assay_trainer.worker worker -Q train`.

The task is acknowledged when it starts, unlike all others: a run is owned by its lease in the registry,
which sends the task again when the lease ends (ARCHITECTURE.md, "Who owns a training run").
"""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

from celery.signals import setup_logging, worker_ready, worker_shutting_down

from assay_shared.errors import Conflict, NotFound, RegistryUnavailable
from assay_shared.logs import configure_logs, get_logger
from assay_shared.queue import TRAIN, TRAIN_RUN, make_celery
from assay_shared.registry_client import RegistryClient
from assay_shared.worker_health import show_life
from assay_trainer.backends import Backends
from assay_trainer.run import remove_leftovers, train_leased_run
from assay_trainer.settings import get_settings

app = make_celery(get_settings().broker_url.get_secret_value(), (TRAIN,))
registry = RegistryClient(
    get_settings().registry_url,
    get_settings().service_token.get_secret_value(),
    get_settings().registry_timeout_seconds,
)
backends = Backends(get_settings(), registry)
# Threads, not forked processes: the stop signal must reach the runs, which are saved and queued again.
app.conf.update(worker_pool="threads", worker_concurrency=backends.runs_at_once)
show_life(app)
log = get_logger(__name__)
stopping = threading.Event()


@setup_logging.connect
def _configure_logs(**_: Any) -> None:
    configure_logs("trainer", get_settings().log_level, get_settings().log_format)


@worker_ready.connect
def _start_clean(**_: Any) -> None:
    remove_leftovers(get_settings().data_dir)
    backends.start()


@worker_shutting_down.connect
def _stop_runs(**_: Any) -> None:
    stopping.set()
    backends.stop()


@app.task(name=TRAIN_RUN, bind=True, acks_late=False, max_retries=None)
def train_run(self: Any, run: str) -> None:
    """Trains one run, if no other worker owns it."""
    worker = f"{socket.gethostname()}:{os.getpid()}"
    try:
        lease = registry.acquire_lease(run, worker, backends.names)
    except (Conflict, NotFound) as error:
        log.info("run not taken", run=run, why=error.detail)
        return
    except RegistryUnavailable as error:
        raise self.retry(countdown=5, exc=error) from error
    backend = backends.get(lease.backend)
    train_leased_run(lease, registry, backends.store, backend, get_settings().data_dir, stopping)
