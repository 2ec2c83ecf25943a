"""A box with Docker, as an operator has one: a checkout, `make` and `docker compose`, nothing else.

Everything that a test does to Assay goes through the gateway's port, as an outside client's requests do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from minio import Minio

from deploy.local.brand_client import BrandClient
from deploy.local.photos.catalog import make_brand
from deploy.local.photos.dataset import DemoPhoto
from deploy.local.ports import Ports
from tests.support.waiting import wait_until

REPOSITORY = Path(__file__).parents[2]
ONE_SHOT = {"migrate", "store-init"}
OWN_IMAGES = ("engine", "gateway", "inference", "ingest", "minio", "registry", "store", "trainer")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class TaughtBrand:
    """A brand that uploaded the demo's photos, half by HTTP and half by S3, and whose model is live.

    `ingest_metrics` is what ingest had counted when the last of them was ingested.
    """

    client: BrandClient
    photos: list[DemoPhoto]
    test_photos: list[DemoPhoto]
    uploads: list[str]
    ingest_metrics: dict[str, float]
    run: dict[str, Any]


class CommandFailed(Exception):
    """A command on the box ended with another status than was wanted; the message holds what it said."""


class Box:
    """One box: a folder with a checkout, and a Compose project named after it.

    `version` is the tag of its images, whose layers are there already where it `shares_images` with another
    box of this machine.
    """

    def __init__(
        self,
        folder: Path,
        project: str,
        version: str,
        revision: str | None = None,
        *,
        shares_images: bool = False,
    ) -> None:
        self.folder = folder
        self.project = project
        self.version = version
        self.shares_images = shares_images
        self.ports = Ports()
        self.admin_key = ""
        folder.mkdir(parents=True)
        check_out(folder, revision)

    @property
    def api(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self.ports.get('gateway')}"

    def init(self, settings: Mapping[str, str] | None = None) -> None:
        """`make init`, and further settings."""
        given = {"HTTP_PORT": str(self.ports.get("gateway"))}
        if self.shares_images:
            # The disk that it asks for is for building them.
            given["INIT_SKIP_CHECKS"] = "1"
        said = self.make("init", **given)  # type: ignore[arg-type]
        found = re.search(r"^  (assay_[0-9a-f]{64})$", said, re.MULTILINE)
        assert found, f"make init shows no admin key:\n{said}"
        self.admin_key = found[1]
        self.set(ASSAY_VERSION=self.version, COMPOSE_PROJECT_NAME=self.project, **(settings or {}))

    def set(self, **settings: str) -> None:
        """Writes settings into .env."""
        env = self.folder / ".env"
        lines = [line for line in env.read_text().splitlines() if line.partition("=")[0] not in settings]
        env.write_text("\n".join([*lines, *(f"{name}={value}" for name, value in settings.items())]) + "\n")

    def setting(self, name: str) -> str:
        """A setting of .env, empty without one."""
        found = re.findall(rf"^{name}=(.*)$", (self.folder / ".env").read_text(), re.MULTILINE)
        return str(found[-1]) if found else ""

    def make(self, *words: str, status: int = 0, **settings: str) -> str:
        """Runs `make`; what it printed. Raises CommandFailed unless it ends with `status`."""
        return self.run(
            ["make", "--no-print-directory", *words, *(f"{n}={v}" for n, v in settings.items())], status
        )

    def compose(self, *words: str, status: int = 0) -> str:
        """Runs `docker compose`; what it printed. Raises CommandFailed."""
        return self.run(["docker", "compose", *words], status)

    def run(self, command: list[str], status: int = 0) -> str:
        """Runs a command in the checkout, with no other environment than an operator's shell has."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={"PATH": PATH, "HOME": os.environ.get("HOME", "/root")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        # make gives every failure of a command as 2.
        expected = 2 if status and command[0] == "make" else status
        if done.returncode != expected:
            raise CommandFailed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-6000:]}")
        return done.stdout

    def containers(self, *services: str) -> list[dict[str, Any]]:
        """The state of the project's containers: Name, Service, State, Health."""
        lines = self.compose("ps", "-a", "--format", "json", *services).splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def inspect(self) -> list[dict[str, Any]]:
        """What the engine says of every container of the project."""
        ids = self.compose("ps", "-aq").split()
        found: list[dict[str, Any]] = json.loads(docker("inspect", *ids))
        return found

    def metrics(self, service: str, port: int) -> dict[str, float]:
        """What a service inside counts, by name and labels as they are printed."""
        script = (
            f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:{port}/metrics').read().decode())"
        )
        lines = self.compose("exec", "-T", service, "python", "-c", script).splitlines()
        pairs = [line.rpartition(" ") for line in lines if line and not line.startswith("#")]
        return {name: float(value) for name, _, value in pairs}

    def kill(self, service: str) -> str:
        """`kill -9` of all that runs in one container of a service; returns the container's name.

        From the host, for `docker kill` counts as an operator's wish, after which no restart policy starts
        the container again; memory that runs out, a crash and a bug do not.
        """
        container = self.containers(service)[0]["Name"]
        before = docker("inspect", "--format", "{{.State.Pid}}", container).strip()
        os.kill(int(before), signal.SIGKILL)
        return str(container)

    def memory(self) -> dict[str, float]:
        """Megabytes that each running service uses now."""
        units = {"B": 1e-6, "KiB": 1024e-6, "MiB": 1.048576, "GiB": 1073.741824}
        found: dict[str, float] = {}
        for item in self.containers():
            if item["State"] == "running":
                used = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", item["Name"])
                number, unit = re.match(r"([\d.]+)([A-Za-z]+)", used).groups()  # type: ignore[union-attr]
                found[item["Service"]] = found.get(item["Service"], 0) + float(number) * units[unit]
        return found

    def restarts(self, container: str) -> int:
        """How often the engine has started a container again by itself."""
        return int(docker("inspect", "--format", "{{.RestartCount}}", container))

    def unhealthy(self) -> list[str]:
        """The services that are not up and healthy now, with their state."""
        found = self.containers()
        return [
            f"{item['Service']} {item['State']} {item['Health']}"
            for item in found
            if item["Service"] not in ONE_SHOT and (item["State"], item["Health"]) != ("running", "healthy")
        ]

    def wait_until_healthy(self, timeout: float = 120) -> None:
        """Waits until every container is up and healthy."""
        wait_until(
            lambda: not self.unhealthy(), timeout, lambda: f"all healthy; not: {self.unhealthy()}", pause=1
        )

    def new_brand(self, slug: str, settings: Mapping[str, Any] | None = None) -> BrandClient:
        """A registered brand, which also has S3 credentials of its own where the box has its S3 door open."""
        client = self.client(slug)
        client.register(settings)
        if "compose.s3.yml" in self.setting("COMPOSE_FILE"):
            # The registry publishes the brand within the request; the tool looks for it in the store.
            made = json.loads(self.make("s3-credentials", BRAND=slug).splitlines()[-1])
            client.store = self.s3(made["access_key"], made["secret_key"])
        return client

    def client(self, slug: str) -> BrandClient:
        """A client of this box for a brand of this name."""
        access = {
            "api": self.api,
            "admin_key": self.admin_key,
            "s3_endpoint": f"http://127.0.0.1:{self.ports.get('s3')}",
            "s3_access_key": "nobody",
            "s3_secret_key": "nothing",
        }
        return BrandClient(access, replace(make_brand(sum(slug.encode())), slug=slug, name=slug))

    def s3(self, access_key: str, secret_key: str) -> Minio:
        """A client of the S3 door."""
        return Minio(
            f"127.0.0.1:{self.ports.get('s3')}",
            access_key=access_key,
            secret_key=secret_key,
            secure=False,
            region="us-east-1",
        )

    def remove(self) -> None:
        """Takes everything of this box away: containers, volumes, networks; its images only untagged."""
        if (self.folder / ".env").exists():
            self.compose("down", "-v", "--remove-orphans", "--timeout", "5")
        shutil.rmtree(self.folder, ignore_errors=True)


def check_out(folder: Path, revision: str | None) -> None:
    """Puts a commit, or this working tree as it is, into an empty folder."""
    if revision is not None:
        archive = subprocess.run(
            ["git", "archive", "--format=tar", revision], cwd=REPOSITORY, check=True, capture_output=True
        )
        subprocess.run(["tar", "-x"], cwd=folder, check=True, input=archive.stdout)
        return
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source, target = REPOSITORY / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def docker(*words: str) -> str:
    """Runs `docker`; what it printed. Raises CommandFailed."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(f"docker {' '.join(words)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout


@contextmanager
def new_box(
    folder: Path,
    project: str,
    version: str,
    settings: Mapping[str, str] | None = None,
    revision: str | None = None,
    *,
    shares_images: bool = False,
) -> Iterator[Box]:
    """A box with its `.env`, not started yet; nothing of it is left afterwards.

    `settings` go into `.env` behind what `make init` wrote.
    """
    box = Box(folder, project, version, revision, shares_images=shares_images)
    try:
        box.init(settings)
        yield box
    finally:
        box.remove()


def note_memory(figures: dict[str, float], box: Box, when: str) -> None:
    """Keeps what each service uses of memory now."""
    used = box.memory()
    figures[f"memory {when}, all, MB"] = sum(used.values())
    figures.update({f"memory {when}, {service}, MB": value for service, value in used.items()})


def untag(version: str) -> None:
    """Takes a session's image names away, and those of our images that builds left without a name; the layers
    stay in the build cache for the next session."""
    names = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    mine = [name for name in names if name.endswith(f":{version}") or f"-{version}" in name]
    if mine:
        docker("image", "rm", "-f", *mine)
    for image in OWN_IMAGES:
        docker("image", "prune", "-f", "--filter", f"label=org.opencontainers.image.title=assay-{image}")
