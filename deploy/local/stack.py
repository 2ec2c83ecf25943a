"""The embedded stack as code: every part of Assay as a process on this machine, no Docker, no root.

`make serve`, `make demo` and the tests all use this one class.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TextIO

import psutil

from deploy.local import parts
from deploy.local.credentials import Credentials
from deploy.local.ports import Ports
from deploy.local.services import Services, base_environment
from deploy.local.supervisor import Program, Supervisor

USUAL_PORTS = {"gateway": 8080, "s3": 9000}


class StackInUse(Exception):
    """Another stack keeps its data in this folder."""


class Stack:
    """Object store, broker, services, engine and gateway, in one data folder.

    `start()` returns when all are ready and raises PartMissing or StartFailed; `stop()` leaves nothing
    behind. Attributes for clients: `api`, `admin_key`, `s3_endpoint`, `s3_access_key`, `s3_secret_key`.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        reconcile_seconds: float = 1.0,
        usual_ports: bool = True,
        fresh: bool = False,
        overrides: Mapping[str, Mapping[str, str]] | None = None,
        bucket_prefix: str = "",
    ) -> None:
        """`overrides`: environment by program name (`*`: all); `fresh`: the folder is emptied first;
        `bucket_prefix`: of the store's buckets.

        Raises StackInUse.
        """
        self.data_dir = data_dir.resolve()
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = self._take_folder()
        if fresh:
            self._empty_folder()
        self._ports = Ports(USUAL_PORTS if usual_ports else None, self.data_dir / "ports.json")
        credentials = Credentials.of(self.data_dir / "secrets.json")
        self._credentials = credentials
        self._bucket_prefix = bucket_prefix
        self._services = Services(
            self.data_dir, self._ports, credentials, reconcile_seconds, overrides or {}, bucket_prefix
        )
        self.api = self._services.url("gateway")
        self.admin_key = credentials.admin_key
        self.s3_endpoint = self._services.url("s3")
        self.s3_access_key = credentials.s3_access_key
        self.s3_secret_key = credentials.s3_secret_key
        self._programs: dict[str, Program] = {}
        self._supervisor: Supervisor | None = None

    @property
    def supervisor(self) -> Supervisor:
        """The supervisor of a started stack."""
        if self._supervisor is None:
            raise RuntimeError("The stack is not started")
        return self._supervisor

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each program's first process."""
        return self.supervisor.pids()

    def start(self, on_ready: Callable[[str], None] = lambda _name: None) -> None:
        """Starts all and waits until all are ready; `on_ready` is told each name. Stops all if one fails."""
        self._supervisor = Supervisor(self.data_dir / "logs")
        try:
            stores, services = self._stores(), self._services.programs()
            self._programs = {program.name: program for program in (*stores, *services)}
            self._supervisor.start(stores, on_ready)
            self._supervisor.run(self._services.migrate())
            self._supervisor.start(services, on_ready)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops all. Can be called again."""
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None
        self._lock.close()

    def kill(self, name: str) -> int:
        """`kill -9` of a program's first process, which the supervisor then restarts; returns its pid."""
        return self.supervisor.kill(name)

    def process(self, name: str) -> psutil.Process:
        """A program's first process; its children are the workers."""
        return psutil.Process(self.pids[name])

    def down(self, name: str) -> None:
        """Stops one program and leaves it stopped."""
        self.supervisor.down(name)

    def up(self, name: str) -> None:
        """Starts a program that `down` stopped and waits until it is ready."""
        self.supervisor.up(self._programs[name])

    def access(self) -> dict[str, str]:
        """What a client needs: addresses and keys."""
        names = ("api", "admin_key", "s3_endpoint", "s3_access_key", "s3_secret_key")
        return {name: getattr(self, name) for name in names}

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _stores(self) -> list[Program]:
        return [
            parts.object_store(
                self.data_dir / "store",
                self._credentials.store_settings(self.s3_endpoint, self._bucket_prefix),
                self._ports,
                base_environment(),
            ),
            parts.broker(
                self.data_dir / "broker",
                self._ports.get("broker"),
                self._credentials.broker_password,
                base_environment(),
            ),
        ]

    def _take_folder(self) -> TextIO:
        lock = (self.data_dir / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise StackInUse(f"Another stack keeps its data in {self.data_dir}; stop it first") from None
        return lock

    def _empty_folder(self) -> None:
        for entry in self.data_dir.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != "lock":
                entry.unlink()
