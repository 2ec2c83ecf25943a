"""The engine and the verify API as programs on an object store of their own, without a registry: for tests
and benches."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from pydantic import SecretStr

from assay_inference.engine_calls import check_engine
from assay_shared.errors import EngineUnavailable
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore
from deploy.local import parts
from deploy.local.ports import Ports
from deploy.local.supervisor import Program, Supervisor

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ground:
    """An object store that runs, as `program` of `supervisor`, and what other programs beside it need; each
    has a folder of its own under `folder`."""

    folder: Path
    ports: Ports
    settings: StoreSettings
    store: ObjectStore
    program: Program
    supervisor: Supervisor
    environment: dict[str, str]

    def address(self, name: str) -> str:
        """Where a program listens or will listen."""
        return f"http://127.0.0.1:{self.ports.get(name)}"

    def make_home(self, name: str) -> Path:
        """A program's folder."""
        home = self.folder / name
        home.mkdir()
        return home


@contextmanager
def run_store(
    folder: Path, environment: Mapping[str, str] | None = None, **settings: Any
) -> Iterator[Ground]:
    """Starts an object store and stops it with everything that was started beside it. `environment`: of all
    programs, instead of PATH and HOME alone; `settings`: more of the store's."""
    ports = Ports()
    own = environment or {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(Path.home())}
    given = StoreSettings(
        endpoint=f"http://127.0.0.1:{ports.get('s3')}",
        access_key="assay-tests",
        secret_key=SecretStr(secrets.token_hex(20)),
        **settings,
    )
    shared = {
        "PYTHONPATH": os.pathsep.join(str(REPOSITORY / name) for name in ("shared", "services/inference")),
        "S3_ENDPOINT": given.endpoint,
        "S3_ACCESS_KEY": given.access_key,
        "S3_SECRET_KEY": given.secret_key.get_secret_value(),
        **own,
    }
    supervisor = Supervisor(folder / "logs")
    try:
        program = parts.object_store(folder / "store", given, ports, own)
        supervisor.start([program])
        yield Ground(folder, ports, given, ObjectStore(given), program, supervisor, shared)
    finally:
        supervisor.stop()


def serving_programs(
    ground: Ground,
    environment: Mapping[str, str],
    *,
    engine_ready: Callable[[str], bool] | None = None,
    ready_seconds: float = Program.ready_seconds,
) -> dict[str, Program]:
    """TorchServe with the engine (`torchserve`) and the verify API (`inference`), to be started; nobody
    listens where the registry should be. `environment` is more of both."""
    api, home = ground.address("inference"), ground.make_home("inference")
    common = {
        "ASSAY_ENGINE_URLS": ground.address("torchserve"),
        "ASSAY_REGISTRY_URL": ground.address("registry"),
        "ASSAY_SERVICE_TOKEN": secrets.token_hex(16),
        **environment,
    }
    verifying = Program(
        "inference",
        [sys.executable, "-m", "assay_inference"],
        {
            **ground.environment,
            "ASSAY_HOST": "127.0.0.1",
            "ASSAY_PORT": str(ground.ports.get("inference")),
            **common,
            "ASSAY_DATA_DIR": str(home),
        },
        home,
        ready=parts.answers_at(f"{api}/readyz"),
        after=("torchserve",),
        ready_seconds=ready_seconds,
    )
    return {
        "torchserve": torchserve_program(ground, common, ready=engine_ready, ready_seconds=ready_seconds),
        "inference": verifying,
    }


def torchserve_program(
    ground: Ground,
    environment: Mapping[str, str],
    name: str = "torchserve",
    *,
    ready: Callable[[str], bool] | None = None,
    ready_seconds: float = Program.ready_seconds,
) -> Program:
    """One TorchServe with the engine, to be started, at the address of its name. It is `ready` when it
    answers a ping, unless something else is given."""
    home = ground.make_home(name)
    own = {
        "JAVA_HOME": str(parts.java_home()),
        "ASSAY_HOST": "127.0.0.1",
        "ASSAY_TORCHSERVE_PORT": str(ground.ports.get(name)),
        "ASSAY_TORCHSERVE_MANAGEMENT_PORT": str(ground.ports.get(f"{name}-management")),
        "ASSAY_TORCHSERVE_METRICS_PORT": str(ground.ports.get(f"{name}-metrics")),
        "ASSAY_DATA_DIR": str(home),
    }
    return Program(
        name,
        [sys.executable, "-m", "assay_engine.torchserve"],
        {**ground.environment, **environment, **own},
        home,
        ready=ready or parts.answers_at(f"{ground.address(name)}/ping"),
        ready_seconds=ready_seconds,
    )


def predicts(engine: str) -> Callable[[str], bool]:
    """A probe: does the engine at this address answer a real prediction?"""

    def ask(_log: str) -> bool:
        try:
            check_engine([engine], 5)
        except EngineUnavailable:
            return False
        return True

    return ask


def find_workers(supervisor: Supervisor) -> list[psutil.Process]:
    """The worker processes of the program `torchserve`."""
    launcher = psutil.Process(supervisor.pids()["torchserve"])
    return [
        process
        for process in launcher.children(recursive=True)
        if any("model_service_worker" in part for part in process.cmdline())
    ]
