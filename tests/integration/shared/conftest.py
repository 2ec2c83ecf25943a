"""Workers of both kinds on a broker that a test may kill; nothing of it is shared with other tests."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from assay_shared.queue import TaskQueue
from deploy.local import parts
from deploy.local.ports import free_port
from deploy.local.supervisor import Program, Supervisor
from tests.integration.shared.support import Broker, Elsewhere, Worker

WORKERS = {
    "ingest": ("assay_ingest.worker", ["-Q", "ingest,events", "-c", "2"]),
    "train": ("assay_trainer.worker", ["-Q", "train", "-c", "1"]),
}
QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


@pytest.fixture(scope="module")
def broker(supervisor: Supervisor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker of this module alone."""
    port, password = free_port(), secrets.token_hex(16)
    environment = {"PATH": os.environ.get("PATH", os.defpath)}
    program = parts.broker(tmp_path_factory.mktemp("broker"), port, password, environment)
    program = replace(program, name="shared-tests-broker")
    supervisor.start([program])
    yield Broker(supervisor, program, f"redis://:{password}@127.0.0.1:{port}/0")
    supervisor.down(program.name)


@pytest.fixture
def queue(broker: Broker) -> TaskQueue:
    """Sends tasks, as the web services do."""
    return TaskQueue(broker.url)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    """Whom the workers ask."""
    made = Elsewhere(free_port())
    yield made
    made.close()


@pytest.fixture(scope="module")
def workers(
    supervisor: Supervisor, broker: Broker, elsewhere: Elsewhere, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Worker]]:
    """A worker of each kind, started as a deployment starts it."""
    started = []
    for kind, (app, options) in WORKERS.items():
        folder = tmp_path_factory.mktemp(kind)
        address = f"http://127.0.0.1:{elsewhere.port}"
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": os.pathsep.join(sys.path),
            "S3_ENDPOINT": address,
            "S3_ACCESS_KEY": "assay-tests",
            "S3_SECRET_KEY": secrets.token_hex(20),
            "S3_TIMEOUT_SECONDS": "120",
            "ASSAY_REGISTRY_URL": address,
            "ASSAY_REGISTRY_TIMEOUT_SECONDS": "120",
            "ASSAY_BROKER_URL": broker.url,
            "ASSAY_DATA_DIR": str(folder),
            "ASSAY_SERVICE_TOKEN": secrets.token_hex(20),
            "ASSAY_WEBHOOK_TOKEN": secrets.token_hex(20),
            "ASSAY_ADMIN_KEY_SHA256": "0" * 64,
            "ASSAY_ALIVE_FILE": str(folder / "alive"),
        }
        command = [sys.executable, "-m", "celery", "-A", app, "worker", *options, *QUIET]
        program = Program(f"shared-tests-{kind}", command, environment, folder, lambda log: "[queues]" in log)
        started.append(Worker(kind, supervisor, program, folder / "alive", elsewhere))
    supervisor.start([worker.program for worker in started])
    yield started
    for worker in started:
        supervisor.down(worker.program.name)
