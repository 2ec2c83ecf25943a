"""One box for the whole session, with the S3 door open and a brand whose model is live.

A test that breaks the box leaves it healthy; one that needs another box makes its own.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.demo import OPTIONS, RUN_SECONDS, TEST_PHOTOS, TRAIN_PHOTOS
from deploy.local.photos.dataset import test_photos, training_photos
from tests.support.box import Box, TaughtBrand, docker, new_box, note_memory, untag
from tests.support.waiting import wait_until

WITH_S3 = "docker-compose.yml:deploy/compose.s3.yml"
EPOCHS = 24
"""A few more than the demo's: of this brand 22 of 25 were judged right after 20, and 24 after 24."""
NO_TIMER = "3600"
"""Seconds between two reconcile scans: so long that only notifications carry photos."""
FIGURES = Path(__file__).parents[2] / ".cache" / "compose-figures.json"


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """A Docker engine that answers; without one nothing here can be tested, and that is a failure."""
    docker("version")


@pytest.fixture(scope="session")
def figures() -> Iterator[dict[str, float]]:
    """Seconds and counts that the tests saw, printed and kept at the end."""
    seen: dict[str, float] = {}
    yield seen
    print("\nSeen by the compose tests:")
    for name, value in seen.items():
        print(f"  {name}: {value:.1f}")
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(seen, indent=2))


@pytest.fixture(scope="session")
def version() -> str:
    """The tag of this session's images."""
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory, version: str, figures: dict[str, float]) -> Iterator[Box]:
    """A box that runs, its images built."""
    folder = tmp_path_factory.mktemp("box") / "assay"
    # One worker: the box starts anew two dozen times, and each worker tries its runtimes first.
    settings = {
        "COMPOSE_FILE": WITH_S3,
        "ASSAY_RECONCILE_SECONDS": NO_TIMER,
        "ASSAY_ENGINE_WORKERS": "1",
    }
    try:
        with new_box(folder, f"assay-{version}", version, settings) as made:
            made.set(S3_PORT=str(made.ports.get("s3")))
            started = time.monotonic()
            made.make("build")
            figures["build all images, s"] = time.monotonic() - started
            started = time.monotonic()
            made.make("up")
            figures["built images to a real prediction, s"] = time.monotonic() - started
            note_memory(figures, made, "idle")
            yield made
    finally:
        untag(version)


@pytest.fixture(scope="session")
def taught(box: Box, figures: dict[str, float]) -> Iterator[TaughtBrand]:
    """The whole loop, with the gate as it is in production."""
    with box.new_brand("taught") as client:
        photos = list(training_photos(client.brand, TRAIN_PHOTOS))
        started = time.monotonic()
        uploads = [client.start_upload(), client.start_upload()]
        for number, photo in enumerate(photos):
            # Pairs, for both ways are to see every format.
            if number // 2 % 2 == 0:
                client.upload_by_http(uploads[0], photo)
            else:
                client.upload_by_s3(uploads[1], photo)
        client.wait_until_ingested(uploads, 60)
        counted = box.metrics("ingest", 8002)
        stored = int(box.compose("exec", "-T", "minio", "du", "-sb", "/data/images").split()[0])
        figures["disk for images, bytes for each uploaded one"] = stored / sum(len(p.data) for p in photos)
        figures["62 photos uploaded and ingested, s"] = time.monotonic() - started
        begun = client.finish({**OPTIONS, "epochs": EPOCHS})
        wait_until(lambda: client.call("GET", f"/training-runs/{begun}")["progress"]["epoch"] >= 2, 300)
        note_memory(figures, box, "training")
        run = client.watch_run(begun, RUN_SECONDS)
        client.wait_until_live(run["model_version"], 60)
        figures["first photo to live model, s"] = time.monotonic() - started
        client.wait_until_judging(photos[0].data, 30)
        to_judge = list(test_photos(client.brand, TEST_PHOTOS))
        yield TaughtBrand(client, photos, to_judge, uploads, counted, run)
