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
from assay_shared.storage import ObjectStore
from assay_shared.worker_health import show_life
from assay_trainer.run import remove_leftovers, train_leased_run
from assay_trainer.settings import get_settings

app = make_celery(get_settings().broker_url.get_secret_value(), (TRAIN,))
# A thread, not a forked process: the stop signal must reach the run, which saves and goes back to the queue.
app.conf.update(worker_pool="threads", worker_concurrency=1)
show_life(app)
log = get_logger(__name__)
stopping = threading.Event()


@setup_logging.connect
def _configure_logs(**_: Any) -> None:
    configure_logs("trainer", get_settings().log_level, get_settings().log_format)


@worker_ready.connect
def _start_clean(**_: Any) -> None:
    remove_leftovers(get_settings().data_dir)


@worker_shutting_down.connect
def _stop_run(**_: Any) -> None:
    stopping.set()


@app.task(name=TRAIN_RUN, bind=True, acks_late=False, max_retries=None)
def train_run(self: Any, run: str) -> None:
    """Trains one run, if no other worker owns it."""
    settings = get_settings()
    registry = RegistryClient(
        settings.registry_url, settings.service_token.get_secret_value(), settings.registry_timeout_seconds
    )
    try:
        lease = registry.acquire_lease(run, worker=f"{socket.gethostname()}:{os.getpid()}")
    except (Conflict, NotFound) as error:
        log.info("run not taken", run=run, why=error.detail)
        return
    except RegistryUnavailable as error:
        raise self.retry(countdown=5, exc=error) from error
    train_leased_run(lease, registry, ObjectStore(settings.store), settings, stopping)
