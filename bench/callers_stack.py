"""What the benches of callers run against: a store with brands whose answers tell whose they are, TorchServe
with the engine, and, where asked for, the verify API."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from assay_inference.engine_calls import check_engine
from assay_shared.auth import hash_key
from assay_shared.errors import EngineUnavailable
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore
from deploy.local import parts
from deploy.local.ports import Ports
from deploy.local.supervisor import Program, Supervisor
from tests.support.live_model import publish_brand, publish_model, telling_weights

VERSION = "mdl_1"
WORKERS = len(os.sched_getaffinity(0))
REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Stack:
    """Addresses, and each brand's own confidence."""

    engine: str
    api: str
    supervisor: Supervisor
    brands: dict[str, float]


@contextmanager
def run_stack(count: int, side: int, *, api: bool = False) -> Iterator[Stack]:
    """Starts it all with so many brands, whose detectors take pictures of this side."""
    brands = {f"brand-{place:02}": round(0.6 + 0.39 * place / count, 3) for place in range(count)}
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as name:
        folder, ports = Path(name), Ports()
        settings = StoreSettings(
            endpoint=f"http://127.0.0.1:{ports.get('s3')}",
            access_key="assay-bench",
            secret_key=SecretStr(secrets.token_hex(20)),
        )
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(Path.home())}
        supervisor = Supervisor(folder / "logs")
        try:
            supervisor.start([parts.object_store(folder / "store", settings, ports, environment)])
            store = ObjectStore(settings)
            for brand, confidence in brands.items():
                publish_brand(store, brand, public=True)
                publish_model(store, brand, VERSION, telling_weights(confidence), side)
            programs = _programs(folder, settings, ports, environment)
            supervisor.start(programs if api else programs[:1])
            yield Stack(
                f"http://127.0.0.1:{ports.get('torchserve')}",
                f"http://127.0.0.1:{ports.get('inference')}",
                supervisor,
                brands,
            )
        finally:
            supervisor.stop()


def _programs(
    folder: Path, settings: StoreSettings, ports: Ports, environment: dict[str, str]
) -> list[Program]:
    engine, api = (f"http://127.0.0.1:{ports.get(name)}" for name in ("torchserve", "inference"))
    common = {
        **environment,
        "PYTHONPATH": os.pathsep.join(str(REPOSITORY / name) for name in ("shared", "services/inference")),
        "S3_ENDPOINT": settings.endpoint,
        "S3_ACCESS_KEY": settings.access_key,
        "S3_SECRET_KEY": settings.secret_key.get_secret_value(),
        "JAVA_HOME": str(parts.java_home()),
        "ASSAY_HOST": "127.0.0.1",
        "ASSAY_PORT": str(ports.get("inference")),
        "ASSAY_TORCHSERVE_PORT": str(ports.get("torchserve")),
        "ASSAY_TORCHSERVE_MANAGEMENT_PORT": str(ports.get("management")),
        "ASSAY_TORCHSERVE_METRICS_PORT": str(ports.get("metrics")),
        "ASSAY_ENGINE_DEVICE": "cpu",
        "ASSAY_ENGINE_WORKERS": str(WORKERS),
        "ASSAY_ENGINE_SLOTS": str(WORKERS),
        "ASSAY_ENGINE_URLS": engine,
        "ASSAY_BARCODE_RETRY_MS": "0",
        "ASSAY_REGISTRY_URL": f"http://127.0.0.1:{ports.get('registry')}",
        "ASSAY_SERVICE_TOKEN": secrets.token_hex(16),
        "ASSAY_ADMIN_KEY_SHA256": hash_key(secrets.token_hex(16)),
    }
    programs = []
    for name, module, ready in (
        ("torchserve", "assay_engine.torchserve", lambda _log: _predicts(engine)),
        ("inference", "assay_inference", parts.answers_at(f"{api}/readyz")),
    ):
        home = folder / name
        home.mkdir()
        programs.append(
            Program(
                name,
                [sys.executable, "-m", module],
                {**common, "ASSAY_DATA_DIR": str(home)},
                home,
                ready=ready,
                after=("torchserve",) if name == "inference" else (),
                ready_seconds=180,
            )
        )
    return programs


def _predicts(engine: str) -> bool:
    try:
        check_engine([engine], 5)
    except EngineUnavailable:
        return False
    return True
