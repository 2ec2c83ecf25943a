"""Verifying 12 megapixel photos on the CPU, p50 through HTTP: `python -m bench.verify_cpu`.

Real object store, TorchServe, engine and verify API. The peer is bench/peer_yolo.py, FastAPI with
`YOLO.predict` on the same weights, in the same run, asked in turn with the same photos. The weights are
bundled base weights, which know nothing of the photos; their confidences are shifted so that a few boxes are
found in each, as by a trained detector. They are marks and no products, so barcodes are read in the whole
picture. Ours also measures quality, runs all checks and writes the log entry to disk; the peer detects, and
no more. ASSAY_ENGINE_WORKERS=1 gives one worker all cores, which is best for one caller at a time.
"""

from __future__ import annotations

import hashlib
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import numpy.typing as npt
import torch

from assay_shared.auth import hash_key, make_key
from assay_shared.detector.architecture import build_trainable, fold_batch_norms, predict_raw
from assay_shared.detector.preprocess import letterbox
from assay_shared.detector.weights import save_weights
from assay_shared.ids import utc_now
from assay_shared.keys import LIVE, brand_key, model_folder, pointer_key
from assay_shared.model_description import (
    DESCRIPTION_FILE,
    WEIGHTS_FILE,
    Metrics,
    ModelDescription,
    ModelLabel,
)
from assay_shared.storage import ObjectStore
from assay_shared.wire import LabelRole, LivePointer, PublishedBrand, PublishedProduct
from assay_trainer.base_weights import find_bundled, load_base_weights
from deploy.local import parts
from deploy.local.photos.catalog import DemoBrand, make_brand
from deploy.local.photos.files import encode_photo
from deploy.local.photos.render import render_photo
from deploy.local.supervisor import Program
from tests.support.serving import run_store, serving_programs

Pixels = npt.NDArray[np.uint8]

SIZE = (4032, 3024)
PHOTOS = 6
QUALITY = 96
"""Gives files of the size that phones write."""
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "8"))
WARMING = 2
LABELS = 80
FOUND = 8
TARGET = 0.5
SLUG, VERSION = "bench", "mdl_bench"
REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Servers:
    """Where both answer, and the key for ours."""

    ours: str
    peer: str
    key: str


def main() -> int:
    """Measures and prints; 0 when the target is reached."""
    brand = make_brand()
    print(f"rendering {PHOTOS} photos of {SIZE[0]} x {SIZE[1]} ...", flush=True)
    photos = [make_photo(brand, seed) for seed in range(PHOTOS)]
    sample = letterbox(render_photo(brand, 0).pixels, 640)[0]
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), brand, sample) as servers:
        ours: list[float] = []
        peer: list[float] = []
        stages: list[dict[str, float]] = []
        with httpx.Client(timeout=60, trust_env=False) as client:
            for turn in range(WARMING + ROUNDS):
                for photo in photos:
                    our_ms, timings = ask_ours(client, servers, photo)
                    peer_ms = ask_peer(client, servers, photo)
                    if turn >= WARMING:
                        ours.append(our_ms)
                        peer.append(peer_ms)
                        stages.append(timings)
    return report(photos, ours, peer, stages)


def make_photo(brand: DemoBrand, seed: int) -> bytes:
    """A JPEG of a package with a readable barcode, of the pixels and bytes that phones write."""
    photo = render_photo(brand, seed, width=SIZE[0], height=SIZE[1], barcode_visible=True)
    return encode_photo(photo, "jpeg", quality=QUALITY)


def report(photos: list[bytes], ours: list[float], peer: list[float], stages: list[dict[str, float]]) -> int:
    """Prints the table; 0 when the target is reached."""
    ratio = statistics.median(ours) / statistics.median(peer)
    megabytes = statistics.mean(len(photo) for photo in photos) / 1e6
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, photos of {megabytes:.1f} MB")
    for name, values in (("Assay", ours), ("FastAPI + YOLO.predict", peer)):
        deciles = statistics.quantiles(values, n=10)
        print(
            f"{name:24} p50 {statistics.median(values):6.1f} ms   p90 {deciles[8]:6.1f} ms   n {len(values)}"
        )
    names = sorted({name for timings in stages for name in timings})
    medians = {name: statistics.median(timings.get(name, 0.0) for timings in stages) for name in names}
    print("stages of ours, p50 ms:", ", ".join(f"{name} {value:.1f}" for name, value in medians.items()))
    print(f"ratio {ratio:.2f} (target <= {TARGET}; less is better)")
    return 0 if ratio <= TARGET else 1


def ask_ours(client: httpx.Client, servers: Servers, photo: bytes) -> tuple[float, dict[str, float]]:
    """Milliseconds of one verification, and its stages."""
    started = time.perf_counter()
    answer = client.post(
        f"{servers.ours}/v1/verifications",
        files={"image": ("photo.jpg", photo, "image/jpeg")},
        data={"brand": SLUG},
        headers={"Authorization": f"Bearer {servers.key}"},
    )
    spent = (time.perf_counter() - started) * 1000
    timings: dict[str, float] = answer.raise_for_status().json()["timings_ms"]
    return spent, timings


def ask_peer(client: httpx.Client, servers: Servers, photo: bytes) -> float:
    """Milliseconds of one prediction of the peer."""
    started = time.perf_counter()
    answer = client.post(f"{servers.peer}/predict", files={"image": ("photo.jpg", photo, "image/jpeg")})
    spent = (time.perf_counter() - started) * 1000
    answer.raise_for_status()
    return spent


@contextmanager
def running(folder: Path, brand: DemoBrand, sample: Pixels) -> Iterator[Servers]:
    """Both stacks, ready, with the same weights."""
    key = make_key()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(
            str(REPOSITORY / name) for name in ("shared", "services/inference", "services/trainer", ".")
        ),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    with run_store(folder, environment) as ground:
        weights = publish(ground.store, brand, folder, sample)
        ours = serving_programs(ground, {"ASSAY_ADMIN_KEY_SHA256": hash_key(key)})
        port, peer_url = str(ground.ports.get("peer")), ground.address("peer")
        peer = Program(
            "peer",
            [sys.executable, "-m", "bench.peer_yolo", str(weights), str(LABELS), port],
            # Its best: ultralytics alone would fall back to one thread.
            {**environment, "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0)))},
            folder,
            ready=parts.answers_at(f"{peer_url}/livez"),
        )
        ground.supervisor.start([*ours.values(), peer])
        yield Servers(ground.address("inference"), peer_url, key)


def calm_head(folded: torch.nn.Module, sample: Pixels) -> None:
    """Shifts the class biases so that FOUND anchors of a letterboxed picture reach a confidence of 0.5."""
    pixels = torch.from_numpy(sample).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        strongest = predict_raw(folded, pixels)[0, 4:].amax(0).topk(FOUND).values[-1]
        shift = torch.logit(strongest.clamp(1e-6, 1 - 1e-6))
        for branch in folded.model[-1].cv3:  # type: ignore[union-attr,index]  # ultralytics is not typed
            branch[-1].bias -= shift


def publish(store: ObjectStore, brand: DemoBrand, folder: Path, sample: Pixels) -> Path:
    """Makes the bundled weights the live version of a brand with the demo's products; returns the file."""
    model = build_trainable("yolov5nu", LABELS)
    load_base_weights(model, find_bundled("yolov5nu"))
    path = folder / WEIGHTS_FILE
    folded = fold_batch_norms(model)
    calm_head(folded, sample)
    save_weights(folded, path)
    description = ModelDescription(
        brand=SLUG,
        version=VERSION,
        run="run_bench",
        dataset_version="dsv_bench",
        architecture="yolov5nu",
        image_size=640,
        labels=[
            ModelLabel(index=index, name=f"label-{index}", role=LabelRole.MARK, threshold=0.5)
            for index in range(LABELS)
        ],
        required_marks={},
        metrics=Metrics(
            map50=0.0,
            map50_95=0.0,
            image_accuracy=0.0,
            image_accuracy_low=0.0,
            image_accuracy_high=0.0,
            images=0,
            per_label={},
        ),
        base_weights={"name": "yolov5nu", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        created_at=utc_now(),
        files={WEIGHTS_FILE: hashlib.sha256(path.read_bytes()).hexdigest()},
    )
    published = PublishedBrand(
        slug=SLUG,
        name="Bench",
        revision=1,
        public_verification=False,
        thresholds={},
        products=[
            PublishedProduct(gtin=product.gtin.zfill(14), label="label-0", name=product.name)
            for product in brand.products
        ],
        verify_keys=[],
    )
    store.put_json(LIVE, brand_key(SLUG), published.model_dump(mode="json"))
    store.put_file(LIVE, model_folder(SLUG, VERSION) + WEIGHTS_FILE, path)
    store.put_json(LIVE, model_folder(SLUG, VERSION) + DESCRIPTION_FILE, description.model_dump(mode="json"))
    pointer = LivePointer(version=VERSION, since=utc_now())
    store.put_json(LIVE, pointer_key(SLUG), pointer.model_dump(mode="json"))
    return path


if __name__ == "__main__":
    sys.exit(main())
