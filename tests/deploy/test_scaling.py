"""More of the same on one box, and a second box that works for the first."""

from __future__ import annotations

import ipaddress
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.photos.dataset import training_photos
from tests.support.box import Box, TaughtBrand, docker, new_box
from tests.support.load import Load
from tests.support.stack import LENIENT, PHOTO_SIZE, PHOTOS, TINY_OPTIONS, small_photo
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(2400)


def bridge_address() -> str:
    """This machine's address in the engine's default network: a private network that containers reach."""
    network = json.loads(docker("network", "inspect", "bridge"))[0]
    # The engine takes the first address of its network for the machine.
    return str(next(ipaddress.ip_network(network["IPAM"]["Config"][0]["Subnet"]).hosts()))


def said(container: str) -> str:
    """All that a container logged."""
    done = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def verified(container: str) -> float:
    """How many pictures a replica of the verify API has judged."""
    script = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8003/metrics').read().decode())"
    counted = 0.0
    for line in docker("exec", container, "python", "-c", script).splitlines():
        if line.startswith("assay_http_requests_total") and "/v1/verifications" in line:
            counted += float(line.rpartition(" ")[2])
    return counted


def test_replicas_share_the_work(box: Box, taught: TaughtBrand) -> None:
    scale(box, 3, 2)
    try:
        with Load(taught.client, taught.test_photos[0].data) as load, box.new_brand("many") as client:
            upload = client.start_upload()
            count = 60
            for number in range(count):
                client.upload_by_s3(upload, small_photo(client, number))
            wait_until(lambda: len(client.images("accepted")) == count, 120, "all are accepted once")
            wait_until(lambda: load.verifying.answered >= 40, 90)
        assert (load.verifying.failed, load.uploading.failed) == (0, 0)
        workers = [item["Name"] for item in box.containers("ingest-worker")]
        assert len(workers) == 3
        busy = [name for name in workers if '"ingested"' in said(name)]
        assert len(busy) >= 2, "the work is shared"
        served = [verified(item["Name"]) for item in box.containers("inference")]
        assert len(served) == 2
        assert all(served), "both answered"
    finally:
        scale(box, 1, 1)
    wait_until(
        lambda: len(taught.client.call_all("/verifications")) >= load.verifying.answered, 60, "all are logged"
    )


def scale(box: Box, workers: int, verifiers: int) -> None:
    """Runs that many containers of the ingest worker and of the verify API."""
    counts = ["--scale", f"ingest-worker={workers}", "--scale", f"inference={verifiers}"]
    box.compose("up", "-d", "--wait", "--no-recreate", *counts)


@pytest.fixture(scope="module")
def hub(box: Box) -> Iterator[str]:
    """The first box serves others; its address in the private network."""
    address = bridge_address()
    files = box.setting("COMPOSE_FILE")
    box.make("hub-on", HUB_BIND_ADDRESS=address)
    box.set(
        HUB_REDIS_PORT=str(box.ports.get("hub-redis")),
        HUB_S3_PORT=str(box.ports.get("hub-s3")),
        HUB_REGISTRY_PORT=str(box.ports.get("hub-registry")),
    )
    box.make("up")
    yield address
    box.set(COMPOSE_FILE=files, INFERENCE_UPSTREAM="")
    box.make("up")


@pytest.fixture(scope="module")
def second(box: Box, hub: str, version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A second box, whose .env the first one wrote; nothing runs there yet."""
    folder = tmp_path_factory.mktemp("second") / "assay"
    with new_box(folder, f"assay-{version}-second", version, shares_images=True) as made:
        env = folder / ".env"
        env.write_text(box.make("worker-env"))
        made.set(
            WORKER_BIND_ADDRESS=hub,
            WORKER_PORT=str(made.ports.get("inference")),
            ASSAY_VERSION=version,
            COMPOSE_PROJECT_NAME=made.project,
        )
        yield made


def test_a_second_box_trains(box: Box, second: Box) -> None:
    second.set(ASSAY_SERVICES="trainer")
    box.compose("stop", "trainer")
    try:
        second.make("up")
        assert {item["Service"] for item in second.containers()} == {"trainer"}
        with box.new_brand("far", LENIENT) as client:
            upload = client.start_upload()
            for photo in training_photos(client.brand, PHOTOS, **PHOTO_SIZE):
                client.upload_by_http(upload, photo)
            run = client.watch_run(client.finish(TINY_OPTIONS), 300)
            client.wait_until_live(run["model_version"], 60)
    finally:
        second.compose("down")
        box.compose("start", "trainer")
    box.wait_until_healthy()


def test_a_second_box_verifies(box: Box, second: Box, hub: str, taught: TaughtBrand, tmp_path: Path) -> None:
    second.set(ASSAY_SERVICES="inference torchserve")
    second.make("up")
    box.set(INFERENCE_UPSTREAM=f"inference:8003 {hub}:{second.setting('WORKER_PORT')}")
    box.make("up")
    with Load(taught.client, taught.test_photos[0].data) as load:
        box.compose("stop", "inference", "torchserve")
        answered = load.verifying.answered
        wait_until(lambda: load.verifying.answered >= answered + 10, 60, "the second box answers alone")
        box.compose("start", "inference", "torchserve")
        box.wait_until_healthy()
        second.compose("stop")
        answered = load.verifying.answered
        wait_until(lambda: load.verifying.answered >= answered + 10, 60, "the first box answers alone")
    assert (load.verifying.failed, load.uploading.failed) == (0, 0), load.verifying
