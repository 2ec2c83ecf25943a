"""The verify API and TorchServe as processes, on a real object store."""

from __future__ import annotations

import io
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

from assay_shared.auth import hash_key
from assay_shared.storage import ObjectStore
from deploy.local.supervisor import Program, Supervisor
from tests.support.live_model import publish_brand, publish_model, random_weights
from tests.support.serving import find_workers, run_store, serving_programs

ADMIN, KEY, OTHER_KEY = "assay_admin", "assay_acme", "assay_bolt"
TEA, UNREGISTERED = "04006381333931", "00036000291452"


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
        return find_workers(self.supervisor)


@pytest.fixture(scope="package")
def inference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inference]:
    """Everything started, with a store of its own that may be stopped, and the brands acme, bolt and open."""
    with run_store(tmp_path_factory.mktemp("inference"), timeout_seconds=3) as ground:
        weights = random_weights()
        publish_brand(ground.store, "acme", gtins=[TEA], verify_keys=[KEY])
        publish_model(ground.store, "acme", "mdl_1", weights)
        publish_brand(ground.store, "bolt", verify_keys=[OTHER_KEY])
        publish_brand(ground.store, "open", gtins=["00000096385074"], public=True)
        publish_model(ground.store, "open", "mdl_1", weights)
        programs = serving_programs(
            ground,
            {
                "S3_TIMEOUT_SECONDS": "3",
                "ASSAY_ENGINE_METRICS_PORT": str(ground.ports.get("engine-metrics")),
                "ASSAY_ENGINE_PINNED_BRANDS": "acme",
                "ASSAY_ENGINE_WORKERS": "1",
                "ASSAY_ADMIN_KEY_SHA256": hash_key(ADMIN),
                "ASSAY_LIVE_SECONDS": "0.5",
            },
        )
        ground.supervisor.start(list(programs.values()))
        yield Inference(
            api=ground.address("inference"),
            engine=ground.address("torchserve"),
            engine_metrics=f"{ground.address('engine-metrics')}/metrics",
            folder=ground.folder,
            supervisor=ground.supervisor,
            programs={"store": ground.program, **programs},
            store=ground.store,
            weights=weights,
        )


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
