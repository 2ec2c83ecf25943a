"""The verify API and TorchServe as processes, on a real object store."""

from __future__ import annotations

import io
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import httpx
import numpy as np
import psutil
import pytest
import zxingcpp
from PIL import Image
from pydantic import SecretStr

from assay_shared.auth import hash_key
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore
from deploy.local import parts
from deploy.local.ports import Ports
from deploy.local.supervisor import Program, Supervisor
from tests.support.live_model import publish_brand, publish_model, random_weights

ADMIN, KEY, OTHER_KEY = "assay_admin", "assay_acme", "assay_bolt"
TEA, UNREGISTERED = "04006381333931", "00036000291452"
REPOSITORY = Path(__file__).parents[3]


@dataclass(frozen=True)
class Inference:
    """The running parts: `api` is the verify API's address; `folder` holds one folder a program."""

    api: str
    engine: str
    engine_metrics: str
    folder: Path
    supervisor: Supervisor
    programs: dict[str, Program]
    store: ObjectStore
    weights: bytes

    def verify(self, image: bytes, key: str | None = KEY, **fields: str) -> httpx.Response:
        """Posts one verification."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.post(
            f"{self.api}/v1/verifications",
            files={"image": ("photo", image)},
            data=fields,
            headers=headers,
            timeout=60,
            trust_env=False,
        )

    def workers(self) -> list[psutil.Process]:
        """The worker processes of TorchServe."""
        launcher = psutil.Process(self.supervisor.pids()["torchserve"])
        return [
            process
            for process in launcher.children(recursive=True)
            if any("model_service_worker" in part for part in process.cmdline())
        ]


@pytest.fixture(scope="session")
def inference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inference]:
    """Everything started, with a store of its own that may be stopped, and the brands acme, bolt and open."""
    folder = tmp_path_factory.mktemp("inference")
    ports = Ports()
    settings = StoreSettings(
        endpoint=f"http://127.0.0.1:{ports.get('s3')}",
        access_key="assay-tests",
        secret_key=SecretStr(secrets.token_hex(20)),
        timeout_seconds=3,
    )
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(Path.home())}
    supervisor = Supervisor(folder / "logs")
    try:
        store_program = parts.object_store(folder / "store", settings, ports, environment)
        supervisor.start([store_program])
        store = ObjectStore(settings)
        weights = random_weights()
        publish_brand(store, "acme", gtins=[TEA], verify_keys=[KEY])
        publish_model(store, "acme", "mdl_1", weights)
        publish_brand(store, "bolt", verify_keys=[OTHER_KEY])
        publish_brand(store, "open", gtins=["00000096385074"], public=True)
        publish_model(store, "open", "mdl_1", weights)
        programs = {"store": store_program, **_programs(folder, settings, ports, environment)}
        supervisor.start([programs["torchserve"], programs["inference"]])
        yield Inference(
            api=f"http://127.0.0.1:{ports.get('inference')}",
            engine=f"http://127.0.0.1:{ports.get('torchserve')}",
            engine_metrics=f"http://127.0.0.1:{ports.get('engine-metrics')}/metrics",
            folder=folder,
            supervisor=supervisor,
            programs=programs,
            store=store,
            weights=weights,
        )
    finally:
        supervisor.stop()


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A JPEG with acme's barcode in it."""
    return photograph("4006381333931")


def photograph(code: str | None, width: int = 1280, height: int = 960) -> bytes:
    """A JPEG of soft shapes, with an EAN-13 in the middle if one is given."""
    shapes = np.random.default_rng(1).integers(40, 200, (12, 16, 3), dtype=np.uint8)
    scene = np.asarray(cv2.resize(shapes, (width, height), interpolation=cv2.INTER_CUBIC)).copy()
    if code:
        made = zxingcpp.create_barcode(code, zxingcpp.BarcodeFormat.EAN13)
        bars = np.array(zxingcpp.write_barcode_to_image(made, scale=4))
        bars = bars if bars.ndim == 2 else bars[..., 0]
        top, left = (height - bars.shape[0]) // 2, (width - bars.shape[1]) // 2
        scene[top : top + bars.shape[0], left : left + bars.shape[1]] = bars[..., None]
    file = io.BytesIO()
    Image.fromarray(scene).save(file, "JPEG", quality=90)
    return file.getvalue()


def _programs(
    folder: Path, settings: StoreSettings, ports: Ports, environment: dict[str, str]
) -> dict[str, Program]:
    engine = f"http://127.0.0.1:{ports.get('torchserve')}"
    common = {
        **environment,
        "PYTHONPATH": os.pathsep.join(str(REPOSITORY / name) for name in ("shared", "services/inference")),
        "S3_ENDPOINT": settings.endpoint,
        "S3_ACCESS_KEY": settings.access_key,
        "S3_SECRET_KEY": settings.secret_key.get_secret_value(),
        "S3_TIMEOUT_SECONDS": "3",
        "JAVA_HOME": str(parts.java_home()),
        "ASSAY_HOST": "127.0.0.1",
        "ASSAY_PORT": str(ports.get("inference")),
        "ASSAY_TORCHSERVE_PORT": str(ports.get("torchserve")),
        "ASSAY_TORCHSERVE_MANAGEMENT_PORT": str(ports.get("management")),
        "ASSAY_TORCHSERVE_METRICS_PORT": str(ports.get("metrics")),
        "ASSAY_ENGINE_METRICS_PORT": str(ports.get("engine-metrics")),
        "ASSAY_ENGINE_PINNED_BRANDS": "acme",
        "ASSAY_ENGINE_WORKERS": "1",
        "ASSAY_ENGINE_URLS": engine,
        # Nobody listens there until a test does.
        "ASSAY_REGISTRY_URL": f"http://127.0.0.1:{ports.get('registry')}",
        "ASSAY_SERVICE_TOKEN": secrets.token_hex(16),
        "ASSAY_ADMIN_KEY_SHA256": hash_key(ADMIN),
        "ASSAY_LIVE_SECONDS": "0.5",
    }
    ready = {
        "torchserve": parts.answers_at(f"{engine}/ping"),
        "inference": parts.answers_at(f"http://127.0.0.1:{ports.get('inference')}/readyz"),
    }
    programs = {}
    for name, module in (("torchserve", "assay_engine.torchserve"), ("inference", "assay_inference")):
        home = folder / name
        home.mkdir()
        after = ("torchserve",) if name == "inference" else ()
        programs[name] = Program(
            name,
            [sys.executable, "-m", module],
            {**common, "ASSAY_DATA_DIR": str(home)},
            home,
            ready=ready[name],
            after=after,
        )
    return programs
