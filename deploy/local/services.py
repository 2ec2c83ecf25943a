"""Assay's own services, each as a program: its command, its environment, when it is ready.

The environment is the same that containers get; nothing else configures a service.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local import parts
from deploy.local.credentials import Credentials
from deploy.local.ports import Ports
from deploy.local.supervisor import Program

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("shared", *(f"services/{name}" for name in ("registry", "ingest", "trainer", "inference")))
CELERY_STOP_SECONDS = 30.0
"""Time for a running task to end, and for a training run to save its checkpoint."""


@dataclass(frozen=True)
class Services:
    """The services of one stack. `overrides`: further environment by program name (`*`: all)."""

    data_dir: Path
    ports: Ports
    credentials: Credentials
    reconcile_seconds: float
    overrides: Mapping[str, Mapping[str, str]]
    bucket_prefix: str = ""

    def migrate(self) -> Program:
        """Brings the database to the registry's state; ends by itself."""
        return self._python("migrate", "-m", "assay_registry.migrate")

    def programs(self) -> list[Program]:
        """Every service, and the gateway in front of them."""
        return [
            self._http("registry", "assay_registry"),
            self._http("ingest", "assay_ingest", after=("registry",)),
            self._celery("ingest-worker", "assay_ingest.worker", "ingest,events", 2),
            self._celery("trainer", "assay_trainer.worker", "train"),
            self._python(
                "torchserve",
                "-m",
                "assay_engine.torchserve",
                ready=parts.answers_at(f"{self.url('torchserve')}/ping"),
            ),
            self._http("inference", "assay_inference", after=("torchserve",)),
            parts.gateway(
                self.data_dir / "services" / "gateway",
                self.ports.get("gateway"),
                self.url("registry").removeprefix("http://"),
                self.url("inference").removeprefix("http://"),
                base_environment(),
            ),
        ]

    def url(self, name: str) -> str:
        """The address of a program that speaks HTTP."""
        return f"http://127.0.0.1:{self.ports.get(name)}"

    def _http(self, name: str, module: str, after: tuple[str, ...] = ()) -> Program:
        ready = parts.answers_at(f"{self.url(name)}/readyz")
        return self._python(name, "-m", module, ready=ready, after=after)

    def _celery(self, name: str, app: str, queues: str, processes: int | None = None) -> Program:
        arguments = ["-A", app, "worker", "-Q", queues, "-n", f"{name}@%h"]
        if processes is not None:
            arguments += ["-c", str(processes)]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        return self._python(
            name,
            "-m",
            "celery",
            *arguments,
            *quiet,
            # Celery's banner, printed once the tasks are loaded, whatever the log level.
            ready=lambda log: "[queues]" in log,
            after=("registry",),
            stop_seconds=CELERY_STOP_SECONDS,
        )

    def _python(
        self,
        name: str,
        *arguments: str,
        ready: Callable[[str], bool] = lambda _log: True,
        after: tuple[str, ...] = (),
        stop_seconds: float = 10.0,
    ) -> Program:
        folder = self.data_dir / "services" / name
        folder.mkdir(parents=True, exist_ok=True)
        environment = self._environment(name, folder)
        command = [sys.executable, *arguments]
        return Program(name, command, environment, folder, ready, after, stop_seconds=stop_seconds)

    def _environment(self, name: str, folder: Path) -> dict[str, str]:
        broker = f"redis://:{self.credentials.broker_password}@127.0.0.1:{self.ports.get('broker')}/0"
        java = parts.java_home()
        environment = {
            **base_environment(),
            "PATH": os.pathsep.join(
                [str(java / "bin"), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
            ),
            "JAVA_HOME": str(java),
            "S3_ENDPOINT": self.url("s3"),
            "S3_ACCESS_KEY": self.credentials.s3_access_key,
            "S3_SECRET_KEY": self.credentials.s3_secret_key,
            "S3_REGION": "us-east-1",
            "S3_BUCKET_PREFIX": self.bucket_prefix,
            "ASSAY_BROKER_URL": broker,
            "ASSAY_DATABASE_URL": f"sqlite:///{self.data_dir / 'registry.db'}",
            "ASSAY_REGISTRY_URL": self.url("registry"),
            "ASSAY_INFERENCE_URL": self.url("inference"),
            "ASSAY_ENGINE_URLS": self.url("torchserve"),
            "ASSAY_TORCHSERVE_PORT": str(self.ports.get("torchserve")),
            "ASSAY_TORCHSERVE_MANAGEMENT_PORT": str(self.ports.get("torchserve-management")),
            "ASSAY_TORCHSERVE_METRICS_PORT": str(self.ports.get("torchserve-metrics")),
            "ASSAY_ENGINE_METRICS_PORT": str(self.ports.get("engine-metrics")),
            "ASSAY_SERVICE_TOKEN": self.credentials.service_token,
            "ASSAY_WEBHOOK_TOKEN": self.credentials.webhook_token,
            "ASSAY_ADMIN_KEY_SHA256": hashlib.sha256(self.credentials.admin_key.encode()).hexdigest(),
            "ASSAY_HOST": "127.0.0.1",
            "ASSAY_PORT": str(self.ports.get(name)),
            "ASSAY_DATA_DIR": str(folder),
            "ASSAY_PUBLIC_URL": self.url("gateway"),
            "ASSAY_RECONCILE_SECONDS": str(self.reconcile_seconds),
        }
        return {**environment, **self.overrides.get("*", {}), **self.overrides.get(name, {})}


def base_environment() -> dict[str, str]:
    """What every program gets of this process's environment; proxies would take local calls away."""
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(str(REPOSITORY / package) for package in PACKAGES),
        "PYTHONUNBUFFERED": "1",
        # libgomp's waiting threads would take the cores from the neighbours.
        "OMP_WAIT_POLICY": "PASSIVE",
    }
